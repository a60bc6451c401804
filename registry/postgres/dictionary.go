package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"mist/registry/dictionary"
)

// DictionaryEpoch grows with every change of a list or parameter.
func (tx *Tx) DictionaryEpoch(ctx context.Context) (epoch int64, err error) {
	_, err = tx.queryOne(ctx, []any{&epoch}, `SELECT epoch FROM dictionary_epoch`)
	return epoch, err
}

// GrowDictionaryEpoch marks a change and orders writers.
func (tx *Tx) GrowDictionaryEpoch(ctx context.Context) error {
	return tx.execChecked(ctx, oneRow, `UPDATE dictionary_epoch SET epoch = epoch + 1`)
}

// Dictionaries reads the lists of the database in the order of their names.
func (tx *Tx) Dictionaries(ctx context.Context) (list []dictionary.Dictionary, err error) {
	at := map[string]int{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		d := dictionary.Dictionary{Values: map[string]string{}}
		err := rows.Scan(&d.Name, &d.Labels, &d.IsActive)
		at[d.Name] = len(list)
		list = append(list, d)
		return err
	}, `SELECT name, labels, is_active FROM dictionaries ORDER BY name`)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var name, part, code, text string
		if err := rows.Scan(&name, &part, &code, &text); err != nil {
			return err
		}
		d := &list[at[name]]
		if part == "" {
			d.Values[code] = text
			return nil
		}
		if d.Groups == nil {
			d.Groups = map[string]map[string]string{}
		}
		if d.Groups[part] == nil {
			d.Groups[part] = map[string]string{}
		}
		d.Groups[part][code] = text
		return nil
	}, `SELECT name, part, code, description FROM dictionary_values`)
	return list, err
}

// DictionaryDigest is the digest of a list as it was written.
func (tx *Tx) DictionaryDigest(ctx context.Context, name string) (digest [32]byte, found bool, err error) {
	var b []byte
	found, err = tx.queryOne(ctx, []any{&b}, `SELECT digest FROM dictionaries WHERE name = $1`, name)
	copy(digest[:], b)
	return digest, found, err
}

// PutDictionary queues a list in the place of the one of its name.
func (tx *Tx) PutDictionary(ctx context.Context, d dictionary.Dictionary, digest [32]byte) error {
	if err := tx.exec(ctx, `INSERT INTO dictionaries (name, labels, is_active, digest, updated_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, is_active = excluded.is_active, digest = excluded.digest, updated_at = excluded.updated_at`,
		d.Name, notNil(d.Labels), d.IsActive, digest[:], tx.store.source.Now()); err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM dictionary_values WHERE name = $1`, d.Name); err != nil {
		return err
	}
	var parts, codes, texts []string
	add := func(part string, values map[string]string) {
		for _, code := range slices.Sorted(maps.Keys(values)) {
			parts, codes, texts = append(parts, part), append(codes, code), append(texts, values[code])
		}
	}
	add("", d.Values)
	for _, part := range slices.Sorted(maps.Keys(d.Groups)) {
		add(part, d.Groups[part])
	}
	return tx.exec(ctx, `INSERT INTO dictionary_values (name, part, code, description)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])`, d.Name, notNil(parts), notNil(codes), notNil(texts))
}

// Parameters reads the global parameters somebody changed.
func (tx *Tx) Parameters(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	err := tx.query(ctx, func(rows pgx.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		all[name] = value
		return err
	}, `SELECT name, value FROM global_parameters`)
	return all, err
}

// PutParameter queues the value of a global parameter.
func (tx *Tx) PutParameter(ctx context.Context, name, value string) error {
	return tx.exec(ctx, `INSERT INTO global_parameters (name, value, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`, name, value, tx.store.source.Now())
}
