package connector_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/sickleave"
	"mist/signature/gost34311"
	"mist/soap/connector/simulator"
	"mist/soap/xroad"
)

// messageLog keeps what passes a security server, as its message log does: each
// request and each answer that is no fault.
type messageLog struct {
	to http.Handler

	mu    sync.Mutex // guards files
	files map[string][]byte
}

// ServeHTTP implements http.Handler.
func (l *messageLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "no body", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	answer := httptest.NewRecorder()
	lost := func() (lost any) {
		defer func() { lost = recover() }() // the register breaks off
		l.to.ServeHTTP(answer, r)
		return nil
	}()
	l.mu.Lock()
	name := strconv.Itoa(len(l.files))
	l.files[name+"-request.asics"] = sealed(request)
	if answer.Code == http.StatusOK && bytes.Contains(answer.Body.Bytes(), []byte("Envelope")) {
		l.files[name+"-response.asics"] = sealed(answer.Body.Bytes())
	}
	l.mu.Unlock()
	if lost != nil {
		panic(lost)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func sealed(message []byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("message.xml")
	if err == nil {
		_, err = w.Write(message)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

// TestBooksOfWhatLeft compares what a security server kept of our messages with
// the trail and the books, after a register that failed half the time: they
// agree, and whatever is planted has its name.
func TestBooksOfWhatLeft(t *testing.T) {
	dsn := cluster.DSN(t)
	store := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	sim, err := simulator.New(source, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	kept := &messageLog{to: sim, files: map[string][]byte{}}
	server := httptest.NewServer(kept)
	defer server.Close()
	sim.Fail(simulator.Trouble{Down: 0.3, Lost: 0.2, Rubbish: 0.1})
	hospital := newClinic(t, store, "30000006", 92)
	const leaves = 6
	for range leaves {
		hospital.cancelled(store, hospital.concluded(store, hospital.seen(store, ""), 0, 2, registry.ID{}))
	}
	effects := outbox.Effects{}
	sickleave.Errands{Source: source}.Effects(effects.Add)
	worker, err := outbox.NewWorker(outbox.WorkerConfig{Store: postgres.NewPort[outbox.WorkTx](store), Source: source, Effects: effects, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Routes: map[outbox.Destination]outbox.Route{sickleave.ERLN: {Connector: connectors(t, server.URL)[sickleave.ERLN], Timeout: 20 * time.Second, Backoff: job.Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond},
			Failures: 8, Pause: job.Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond}, Rubbish: 1000}}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); worker.Run(ctx) }()
	require.Eventually(t, func() bool {
		var open int
		return conn.QueryRow(t.Context(), `SELECT count(*) FROM outbox_messages WHERE status <> 'answered'`).Scan(&open) == nil && open == 0
	}, time.Minute, 20*time.Millisecond)
	stop()
	<-done

	type books struct {
		files map[string][]byte
		trail []xroad.RecordedSent
		rows  []xroad.SentRow
	}
	read := func() books {
		b := books{files: map[string][]byte{}}
		for name, body := range kept.files {
			b.files[name] = body
		}
		require.NoError(t, store.ExchangeEntries(t.Context(), time.Time{}, time.Time{}, func(x audit.Entry) error {
			require.Equal(t, outbox.Answered, x.Kind)
			b.trail = append(b.trail, xroad.RecordedSent{Entry: x.ID.String(), MessageID: x.Exchange.MessageID, At: x.Time, SHA512: x.Exchange.RequestSHA512, GOST: x.Exchange.RequestGOST, Answer: x.Exchange.ResponseSHA512, Within: true})
			return nil
		}))
		list, err := store.SentMessages(t.Context())
		require.NoError(t, err)
		for _, m := range list {
			require.False(t, m.EndedAt.IsZero())
			b.rows = append(b.rows, xroad.SentRow{MessageID: m.ID.String(), Answered: m.Status == outbox.StatusAnswered, Within: true})
		}
		return b
	}
	about := func(b *books, i int, kind string) (names []string) {
		for name, body := range b.files {
			message, err := xroad.LoggedMessage(body)
			require.NoError(t, err)
			if strings.HasSuffix(name, kind+".asics") && bytes.Contains(message, []byte(b.trail[i].MessageID)) {
				names = append(names, name)
			}
		}
		require.NotEmpty(t, names)
		return names
	}
	replaced := func(b *books, name, from, to string) {
		message, err := xroad.LoggedMessage(b.files[name])
		require.NoError(t, err)
		changed := bytes.Replace(message, []byte(from), []byte(to), 1)
		require.NotEqual(t, message, changed)
		b.files[name] = sealed(changed)
	}
	us := xroad.ClientID{Instance: "SANDBOX", Class: "GOV", Member: "00000002", Subsystem: "mist"}
	for _, c := range []struct {
		name   string
		change func(b *books)
		want   []xroad.FindingKind
	}{
		{"nothing is planted", func(*books) {}, nil},
		{"a row that ended before the time", func(b *books) { b.rows[0].Within = false }, nil},
		{"an entry beside the time", func(b *books) { b.trail[0].Within = false }, nil},
		{"a row that was forgotten in its time", func(b *books) {
			b.rows = slices.DeleteFunc(b.rows, func(r xroad.SentRow) bool { return r.MessageID == b.trail[0].MessageID })
			b.trail[0].At = b.trail[0].At.AddDate(0, 0, -40)
		}, nil},
		{"an entry is gone", func(b *books) { b.trail = b.trail[1:] }, []xroad.FindingKind{xroad.NoEntry}},
		{"a row is gone", func(b *books) {
			b.rows = slices.DeleteFunc(b.rows, func(r xroad.SentRow) bool { return r.MessageID == b.trail[0].MessageID })
		}, []xroad.FindingKind{xroad.NotEnded}},
		{"a row says it was not answered", func(b *books) {
			b.rows[slices.IndexFunc(b.rows, func(r xroad.SentRow) bool { return r.MessageID == b.trail[0].MessageID })].Answered = false
		}, []xroad.FindingKind{xroad.NotEnded}},
		{"a message in neither book", func(b *books) {
			b.rows = slices.DeleteFunc(b.rows, func(r xroad.SentRow) bool { return r.MessageID == b.trail[0].MessageID })
			b.trail = b.trail[1:]
		}, []xroad.FindingKind{xroad.NotInTrail}},
		{"the archive lacks the request", func(b *books) {
			for _, name := range append(about(b, 0, "request"), about(b, 0, "response")...) {
				delete(b.files, name)
			}
		}, []xroad.FindingKind{xroad.NotInArchive}},
		{"the archive lacks the answer", func(b *books) {
			for _, name := range about(b, 0, "response") {
				delete(b.files, name)
			}
		}, []xroad.FindingKind{xroad.ResponseMissing}},
		{"another question left", func(b *books) {
			for _, name := range about(b, 0, "request") {
				replaced(b, name, "requestId>", "requestId> ")
			}
		}, []xroad.FindingKind{xroad.RequestDiffers}},
		{"another answer came", func(b *books) {
			for _, name := range about(b, 0, "response") {
				replaced(b, name, "<requestReceiveStatus>0", "<requestReceiveStatus>1")
			}
		}, []xroad.FindingKind{xroad.ResponseDiffers}},
		{"the two hashes disagree", func(b *books) { b.trail[0].GOST = make([]byte, 32) }, []xroad.FindingKind{xroad.HashesDisagree}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := read()
			require.Len(t, b.trail, 2*leaves)
			require.Len(t, b.rows, 2*leaves)
			c.change(&b)
			a := &xroad.Archive{GOST: gost34311.Sum256, Provider: xroad.ClientID{Instance: "SANDBOX", Class: "GOV", Member: "00000001", Subsystem: "mist"}, Clients: []xroad.ClientID{us}}
			for name, body := range b.files {
				require.NoError(t, a.Add(xroad.Container{Name: name, Body: body}))
			}
			got := a.ReconcileSent(b.trail, b.rows, b.rows, source.Now().Add(-outbox.Retention))
			var kinds []xroad.FindingKind
			for _, f := range got.Findings {
				kinds = append(kinds, f.Kind)
			}
			require.Equal(t, c.want, kinds, "%+v", got.Findings)
			require.Zero(t, a.Passed)
			require.Positive(t, got.Responses)
			if len(c.want) == 0 {
				require.Equal(t, got.Entries, got.Agreed)
			}
		})
	}
}
