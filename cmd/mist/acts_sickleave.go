package main

import (
	"context"

	"mist/portal"
	"mist/registry/dictionary"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/registry/sickleave"
)

// sickLeaves are medical conclusions of temporary disability.
func sickLeaves(p parts, a *actRooms) error {
	lists := func(ctx context.Context, tx dictionary.ReadTx) (prm.Lists, error) {
		return p.dictionaries.Within(ctx, tx)
	}
	drafts, err := service[sickleave.Tx](p, sickleave.Kind{Source: p.source, Lists: lists})
	if err != nil {
		return err
	}
	cancels, err := submissions[sickleave.CancelTx](p, sickleave.Cancel{Source: p.source, Lists: lists})
	if err != nil {
		return err
	}
	reader, err := p.reader()
	if err != nil {
		return err
	}
	s, err := sickleave.New(reader, cancels, postgres.NewPort[sickleave.ServiceTx](p.store), p.source)
	if err != nil {
		return err
	}
	a.drafted = append(a.drafted, portal.CompositionRequests(drafts))
	a.places = append(a.places, s.Places())
	a.rooms = append(a.rooms, portal.Compositions(s))
	a.conclusions = s
	a.handlers = a.handlers.Add(drafts.Handlers())
	return nil
}
