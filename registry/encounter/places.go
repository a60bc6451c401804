package encounter

import (
	"context"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/record"
)

// Places are where encounters, episodes and diagnostic reports are found.
func (s *Service) Places() []record.Places {
	return []record.Places{
		{Path: "/api/v3/encounters", Own: "/api/pis/encounters", Kind: record.KindEncounter, Scope: ScopeRead, OwnScope: ScopeReadOwn, Reader: s.Reader,
			Create: s.Create, Signed: map[string]record.SignedAction{"cancel": s.Cancel}},
		{Path: "/api/v3/episodes", Kind: record.KindEpisode, Scope: ScopeEpisodeRead, Reader: s.Reader, Actions: map[string]record.Action{"close": s.closing}},
		{Path: "/api/v3/diagnostic_reports", Kind: record.KindDiagnosticReport, Scope: ScopeReportRead, Reader: s.Reader},
	}
}

func (s *Service) closing(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	var in struct {
		Reason string `json:"closing_reason"`
	}
	if err := document.Read(body, &in); err != nil {
		return record.Shown{}, err
	}
	r, err := s.CloseEpisode(ctx, c, id, in.Reason)
	return record.Shown{Record: r}, err
}
