package main

import (
	"context"
	"fmt"
	"strings"

	"mist/registry"
	"mist/registry/order"
)

// deadWork is what an operator does with dead jobs or messages: with those
// named, or with all dead ones; first told, then done, many by two people.
type deadWork[I any] struct {
	desk, noun string // "outbox", "message"
	verb       string // "replayed"
	// by narrows the dead ones; only is what it was given.
	by, only string
	print    func(e env, list []I) error
	// dead finds the dead ones, change does it to one; dry only looks.
	dead   func(ctx context.Context) ([]registry.ID, error)
	change func(ctx context.Context, id registry.ID, dry bool) (I, error)
}

// parseIDs reads the ids of a command line.
func parseIDs(texts []string) (ids []registry.ID, err error) {
	for _, text := range texts {
		id, err := registry.ParseID(text)
		if err != nil {
			return nil, &failure{exitUsage, err}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (w deadWork[I]) run(e env, op *operator, ids []registry.ID, yes bool, t twoPeople) error {
	if !yes && t.Plan == "" && t.Order == "" {
		would, err := w.each(e.ctx, ids, true)
		if err != nil {
			return refused(err)
		}
		if err := w.print(e, would); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%d would be %s; nothing was changed, repeat with --yes\n", len(would), w.verb)
		return nil
	}
	named := make([]string, len(ids))
	for i, id := range ids {
		named[i] = id.String()
	}
	return t.give(e, op, orderedCommand{
		name: w.desk + "-" + w.verb, parameters: map[string]string{w.by: w.only, "ids": strings.Join(named, " ")},
		plan: func(ctx context.Context, _ order.Order) (map[string]int, error) {
			would, err := w.each(ctx, ids, true)
			return map[string]int{w.noun + "s": len(would)}, err
		},
		run: func(ctx context.Context, _ order.Order) error {
			done, err := w.each(ctx, ids, false)
			if err != nil {
				return refused(err)
			}
			if err := w.print(e, done); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "%d %s\n", len(done), w.verb)
			return nil
		},
	})
}

func (w deadWork[I]) each(ctx context.Context, ids []registry.ID, dry bool) (done []I, err error) {
	if len(ids) == 0 {
		if ids, err = w.dead(ctx); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		one, err := w.change(ctx, id, dry)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", w.noun, id, err)
		}
		done = append(done, one)
	}
	return done, nil
}
