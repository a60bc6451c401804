package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mist/registry/order"
	"mist/registry/postgres"
	"mist/registry/sealing"
)

// keyPoll is how often a server looks for new data keys; a rotation waits for
// several of these before the new key seals anything.
const keyPoll = 2 * time.Second

// minGrace is the least time between publishing a data key and its use.
const minGrace = 2 * keyPoll

// followKeys takes up data keys published by mist keys rotate.
func (s *server) followKeys(ctx context.Context, kek sealing.KEK) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(keyPoll)
		defer ticker.Stop()
		for {
			select {
			case <-following.Done():
				return
			case <-ticker.C:
			}
			if err := s.store.SyncKeys(following, kek); err != nil && following.Err() == nil {
				s.log.Warn("taking up data keys", "cause", err.Error())
			}
		}
	}()
	s.onClose(func() { stop(); <-done })
}

type keysCommand struct {
	Secret  keysSecretCommand  `cmd:"" help:"Make a key file for sealing or OTP."`
	Log     keysLogCommand     `cmd:"" help:"Make the audit log's key file and print its public key."`
	Device  keysDeviceCommand  `cmd:"" help:"Make the audit log's key in a device (PKCS #11; builds with the tag pkcs11) and print its public key."`
	Witness keysWitnessCommand `cmd:"" help:"Make a witness's key file and print its public key."`
	List    keysListCommand    `cmd:"" help:"Data keys and how many values each seals."`
	Rotate  keysRotateCommand  `cmd:"" help:"Make a new data key and seal every value again under it, while the server works."`
	Reseal  keysResealCommand  `cmd:"" help:"Seal again what is not under the current data key (goes on with a rotation that was cut off)."`
	Rewrap  keysRewrapCommand  `cmd:"" help:"Wrap the data keys under keys.current, the current key-encryption key."`
}

type keysListCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// Run implements the command.
func (c *keysListCommand) Run(e env) error {
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	list, err := op.store.DataKeys(e.ctx)
	if err != nil {
		return err
	}
	sums := map[uint16]int{}
	for _, table := range postgres.SealedTables() {
		counts, err := op.store.SealedUnder(e.ctx, table)
		if err != nil {
			return err
		}
		for id, n := range counts {
			sums[id] += n
		}
	}
	for _, k := range list {
		wrapping := "wrapped under an earlier key-encryption key"
		if op.kek.Current(k.Wrapped) {
			wrapping = "wrapped under the current key-encryption key"
		}
		if k.ID == 0 {
			fmt.Fprintf(e.stdout, "blind root  %s  %s\n", k.CreatedAt.UTC().Format(time.RFC3339), wrapping)
			continue
		}
		state := ""
		if !k.Active {
			state = "  in use from " + k.ActiveFrom.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(e.stdout, "data key %d  %s  %s  %d values%s\n", k.ID, k.CreatedAt.UTC().Format(time.RFC3339), wrapping, sums[k.ID], state)
	}
	return nil
}

type keysRotateCommand struct {
	Config    string        `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Grace     time.Duration `default:"10s" help:"Time for every server to take the new key up before it is used."`
	twoPeople `embed:""`
}

// Run implements the command.
func (c *keysRotateCommand) Run(e env) error {
	if c.Grace < minGrace || c.Grace > time.Hour {
		return &failure{exitUsage, fmt.Errorf("--grace must lie between %s (servers look every %s) and 1h", minGrace, keyPoll)}
	}
	op, err := openOperator(e, c.Config, 4)
	if err != nil {
		return err
	}
	defer op.close()
	return c.give(e, op, orderedCommand{name: "keys-rotate", parameters: map[string]string{}, plan: op.sealedRows,
		run: func(context.Context, order.Order) error { return c.rotate(e, op) }})
}

// sealedRows counts what would be sealed again: data of everybody.
func (op *operator) sealedRows(ctx context.Context, _ order.Order) (map[string]int, error) {
	effects := map[string]int{}
	for _, table := range postgres.SealedTables() {
		counts, err := op.store.SealedUnder(ctx, table)
		if err != nil {
			return nil, err
		}
		// Rows come while two people sign: the order names powers of ten.
		n := 0
		for _, k := range counts {
			n += k
		}
		effects[table] = magnitude(n)
	}
	return effects, nil
}

// magnitude rounds up to a power of ten.
func magnitude(n int) int {
	m := 1
	for m < n {
		m *= 10
	}
	return m
}

func (c *keysRotateCommand) rotate(e env, op *operator) error {
	k, err := op.store.PublishDataKey(e.ctx, op.kek, c.Grace)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "data key %d is published; it seals from %s on\n", k.ID, k.ActiveFrom.UTC().Format(time.RFC3339))
	for op.store.SealingKey() < k.ID {
		select {
		case <-e.ctx.Done():
			return errors.New("stopped; mist keys reseal goes on")
		case <-time.After(200 * time.Millisecond):
		}
		if err := op.store.SyncKeys(e.ctx, op.kek); err != nil {
			return err
		}
	}
	// Servers notice its time within one look.
	select {
	case <-e.ctx.Done():
		return errors.New("stopped; mist keys reseal goes on")
	case <-time.After(keyPoll + time.Second):
	}
	return op.reseal(e, nil)
}

type keysResealCommand struct {
	Config    string   `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	Table     []string `help:"Only these tables."`
	twoPeople `embed:""`
}

// Run implements the command.
func (c *keysResealCommand) Run(e env) error {
	for _, t := range c.Table {
		if all := append(postgres.SealedTables(), mediaStore); !slices.Contains(all, t) {
			return &failure{exitUsage, fmt.Errorf("--table must be one of %s", strings.Join(all, ", "))}
		}
	}
	op, err := openOperator(e, c.Config, 4)
	if err != nil {
		return err
	}
	defer op.close()
	return c.give(e, op, orderedCommand{name: "keys-reseal", parameters: map[string]string{"tables": strings.Join(c.Table, " ")}, plan: op.sealedRows,
		run: func(context.Context, order.Order) error { return op.reseal(e, c.Table) }})
}

// reseal seals the tables again, all when none is named.
func (op *operator) reseal(e env, tables []string) error {
	if len(tables) == 0 {
		tables = append(postgres.SealedTables(), mediaStore)
	}
	for _, table := range tables {
		if table == mediaStore {
			if err := op.resealMedia(e); err != nil {
				return err
			}
			continue
		}
		counts, err := op.store.SealedUnder(e.ctx, table)
		if err != nil {
			return err
		}
		due := 0
		for id, n := range counts {
			if id != op.store.SealingKey() {
				due += n
			}
		}
		bar := newProgress(e.stderr, table)
		began := time.Now()
		done, err := op.store.Reseal(e.ctx, table, func(done int) { bar.show(done, max(due, done)) })
		bar.end()
		if err != nil {
			return fmt.Errorf("%w (mist keys reseal goes on)", err)
		}
		fmt.Fprintf(e.stdout, "%s: %d values sealed again under data key %d in %.1f s\n", table, done, op.store.SealingKey(), time.Since(began).Seconds())
	}
	return nil
}

type keysRewrapCommand struct {
	Config string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
}

// Run implements the command.
func (c *keysRewrapCommand) Run(e env) error {
	op, err := openOperator(e, c.Config, 2)
	if err != nil {
		return err
	}
	defer op.close()
	n, err := op.store.RewrapDataKeys(e.ctx, op.kek)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d keys wrapped under key-encryption key %d\n", n, op.cfg.Keys.Current)
	return nil
}
