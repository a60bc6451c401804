package portal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
)

// jobDesk stands for the room; its rules are tested there.
type jobDesk struct{ *fakes }

func (d jobDesk) List(_ context.Context, _ registry.Caller, f job.Filter) ([]job.Info, int, error) {
	d.jobs = f
	return make([]job.Info, 2), 102, d.err
}

func (d jobDesk) Get(_ context.Context, _ registry.Caller, id registry.ID) (job.Info, error) {
	return job.Info{ID: id, Status: job.StatusDead}, d.err
}

func (d jobDesk) Replay(_ context.Context, _ registry.Caller, id registry.ID, dryRun bool) (job.Info, error) {
	d.dryRun = dryRun
	return job.Info{ID: id, Status: job.StatusWaiting}, d.err
}

func (d jobDesk) Discard(_ context.Context, _ registry.Caller, id registry.ID, dryRun bool) (job.Info, error) {
	d.dryRun = dryRun
	return job.Info{ID: id}, d.err
}

var _ JobDesk = (*job.Desk)(nil)

func TestJobsByREST(t *testing.T) {
	b := newBench(t)
	w := b.do("GET", "/api/v3/jobs?status=dead&kind=notification.send&page=2", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Equal(t, job.Filter{Status: job.StatusDead, Kind: "notification.send", Page: 2, Size: 50}, b.jobs)
	require.Contains(t, w.Body.String(), `"total_pages":3`)
	const one = "/api/v3/jobs/01890a5d-ac96-774b-bcce-b302099a8057"
	require.Contains(t, b.do("GET", one, "").Body.String(), `"status":"dead"`)
	for _, action := range []string{"replay", "discard"} {
		w = b.do("PATCH", one+"/actions/"+action, "")
		require.Equal(t, 200, w.Code, w.Body.String())
		require.False(t, b.dryRun)
		w = b.do("PATCH", one+"/actions/"+action, `{"dry_run":true}`)
		require.Contains(t, w.Body.String(), `"dry_run":true`)
		require.True(t, b.dryRun)
		require.Equal(t, 422, b.do("PATCH", one+"/actions/"+action, `{"dry_run":"yes"}`).Code)
		require.Equal(t, 422, b.do("PATCH", one+"/actions/"+action, `{"now":true}`).Code)
	}
	require.Equal(t, 422, b.do("GET", "/api/v3/jobs?page=x", "").Code)
	require.Equal(t, 422, b.do("GET", "/api/v3/jobs/1", "").Code)
}
