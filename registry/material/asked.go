package material

import (
	"context"
	"errors"
	"net/url"
	"time"

	"mist/signature"
)

// maxResponders bounds the responders that are remembered.
const maxResponders = 200

// Watched is a fetcher whose answers and failures are counted by responder, for
// the pages. What is counted is forgotten with the process.
func (s *Service) Watched(f signature.Fetcher) signature.Fetcher { return watched{f, s} }

type watched struct {
	signature.Fetcher
	s *Service
}

// OCSP implements signature.Fetcher.
func (w watched) OCSP(ctx context.Context, address string, request []byte) ([]byte, error) {
	began := w.s.source.Now()
	answer, err := w.Fetcher.OCSP(ctx, address, request)
	w.s.note(ctx, address, began, err)
	return answer, err
}

// CRL implements signature.Fetcher.
func (w watched) CRL(ctx context.Context, address string) ([]byte, error) {
	began := w.s.source.Now()
	answer, err := w.Fetcher.CRL(ctx, address)
	w.s.note(ctx, address, began, err)
	return answer, err
}

// Answering says whether a responder that was asked lately is silent; nil while
// nobody was asked or all answer.
func (s *Service) Answering() error {
	now := s.source.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.responses {
		if !r.Fresh() && now.Sub(r.LastFailed) < lately {
			return errors.New("a responder does not answer")
		}
	}
	return nil
}

// lately is how long a failure of a responder that nobody asks again is told.
const lately = 10 * time.Minute

func (s *Service) note(ctx context.Context, address string, began time.Time, err error) {
	if err != nil && ctx.Err() != nil {
		return // the caller went away: that is no fault of the responder
	}
	u, parseErr := url.Parse(address)
	if parseErr != nil {
		return
	}
	name := u.Scheme + "://" + u.Host + u.Path // a GET of OCSP carries a certificate's number behind it
	now := s.source.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.responses[name]
	if r == nil {
		if len(s.responses) >= maxResponders {
			return
		}
		r = &Responder{URL: name}
		s.responses[name] = r
	}
	if err != nil {
		r.Failed, r.LastFailed = r.Failed+1, now
		return
	}
	r.Answered, r.Last, r.Took = r.Answered+1, now, now.Sub(began)
}
