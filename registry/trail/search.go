package trail

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/audit"
)

// PageSize is how many entries a page of a search has.
const PageSize = 50

// MaxPage bounds Filter.Limit.
const MaxPage = 1000

// Results is a page of a search with the names of who stands in it.
type Results struct {
	Found
	Titles map[registry.ID]string
}

// Search finds entries, newest first. A page stays the same while entries
// arrive: it goes on from an entry, not from a number of rows.
func (s *Service) Search(ctx context.Context, c registry.Caller, f Filter) (r Results, err error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = PageSize
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return r, registry.Errorf(registry.CodeInvalid, "the period ends before it begins")
	}
	err = s.read(ctx, c, Searched, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		r = Results{}
		if r.Found, err = tx.FindRecords(ctx, f); err != nil {
			return nil, err
		}
		var ids []registry.ID
		for _, one := range r.Records {
			ids = append(ids, one.Actor.ClientID, one.Actor.LegalEntityID)
		}
		r.Titles, err = tx.Titles(ctx, ids)
		return &audit.ObjectRef{Type: "audit_search", ID: f.words()}, err
	})
	return r, err
}

// words says what was searched, for the trail.
func (f Filter) words() string {
	var list []string
	add := func(name, value string) {
		if value != "" {
			list = append(list, name+"="+value)
		}
	}
	if !f.From.IsZero() {
		add("from", f.From.UTC().Format("2006-01-02"))
	}
	if !f.To.IsZero() {
		add("to", f.To.UTC().Format("2006-01-02"))
	}
	add("kind", string(f.Kind))
	add("code", f.Code)
	if !f.Actor.IsZero() {
		add("actor", f.Actor.String())
	}
	return strings.Join(list, " ")
}

// What a pasted text was taken for.
const (
	AsPlace   = "place"
	AsEntry   = "entry"
	AsAct     = "act"
	AsActor   = "actor"
	AsEDRPOU  = "edrpou"
	AsDigest  = "digest"
	AsRequest = "request"
	AsNothing = "nothing"
)

// Guess is what a pasted text names: entries, or a system, user, employee or
// legal entity to search by.
type Guess struct {
	As      string
	Entries []Record
	Actor   registry.ID
	// Title names the legal entity of an ЄДРПОУ.
	Title string
	// Archived are the months whose entries lie in files and were not looked at,
	// where the text could be of one of them.
	Archived []string
}

// maxGuess bounds the entries of one act or request that are told.
const maxGuess = PageSize

// Recognise says what a text from the search box is: a place in the tree, an id
// of an entry, act or actor, the ЄДРПОУ of a legal entity, a SHA-256 of a signed
// container, a request id. Eight digits that are the code of a legal entity are
// taken for that; № before them makes them a place.
func (s *Service) Recognise(ctx context.Context, c registry.Caller, text string) (g Guess, err error) {
	text = strings.TrimSpace(text)
	err = s.read(ctx, c, Searched, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		if g, err = recognise(ctx, tx, text); err == nil && g.As != AsPlace && g.As != AsEntry && g.As != AsEDRPOU {
			g.Archived, err = tx.ArchivedMonths(ctx)
		}
		return &audit.ObjectRef{Type: "audit_search", ID: g.As}, err
	})
	return g, err
}

func recognise(ctx context.Context, tx Tx, text string) (g Guess, err error) {
	one := func(as string, r Record, err error) (Guess, error) {
		if registry.CodeOf(err) == registry.CodeNotFound && registry.AsError(err).Reason == "" {
			return Guess{As: AsNothing}, nil
		}
		return Guess{As: as, Entries: []Record{r}}, err
	}
	many := func(as string, k Key) (Guess, error) {
		list, err := tx.Lookup(ctx, k, maxGuess)
		if err != nil || len(list) == 0 {
			return Guess{As: AsNothing}, err
		}
		g := Guess{As: as}
		for _, id := range list {
			r, err := tx.Record(ctx, id)
			if err != nil {
				return Guess{}, err
			}
			g.Entries = append(g.Entries, r)
		}
		return g, nil
	}
	if code := registry.EDRPOU(text); code.Valid() {
		id, title, found, err := tx.LegalEntityCalled(ctx, code)
		if err != nil || found {
			return Guess{As: AsEDRPOU, Actor: id, Title: title}, err
		}
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimLeft(text, "№#")), 10, 64); err == nil && n >= 0 {
		r, err := tx.RecordAt(ctx, n)
		return one(AsPlace, r, err)
	}
	if id, err := registry.ParseID(text); err == nil {
		r, err := tx.Record(ctx, id)
		if g, err := one(AsEntry, r, err); err != nil || g.As != AsNothing {
			return g, err
		}
		if g, err := many(AsAct, Key{Act: id}); err != nil || g.As != AsNothing {
			return g, err
		}
		if g, err := many(AsRequest, Key{RequestID: text}); err != nil || g.As != AsNothing {
			return g, err
		}
		return Guess{As: AsActor, Actor: id}, nil
	}
	digest := strings.ToLower(strings.TrimPrefix(text, "sha256:"))
	if b, err := hex.DecodeString(digest); err == nil && len(b) == 32 {
		return many(AsDigest, Key{Container: b})
	}
	if text == "" || len(text) > audit.MaxTextBytes {
		return Guess{As: AsNothing}, nil
	}
	return many(AsRequest, Key{RequestID: text})
}
