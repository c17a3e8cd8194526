package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/bridge-me-not/resolver-cron/shared/settings"
)

// Settings is settings.Store: an item with the state, and one for each file.
type Settings struct{ s *Store }

// Settings returns the editions of the chains file.
func (s *Store) Settings() Settings { return Settings{s} }

const settingsPK = "chains-file"

var settingsKey = key(settingsPK, "state")

func fileSK(sum string) string { return "file#" + sum }

// Load implements settings.Store.
func (v Settings) Load(ctx context.Context) (settings.State, error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, settingsKey)
	if err != nil || it == nil {
		return settings.State{}, err
	}
	var s settings.State
	if err := it.body(&s); err != nil {
		return settings.State{}, err
	}
	s.Version, s.Write = it.int(attrVersion), string(it.blob(attrWrite))
	return s, nil
}

// Save implements settings.Store.
func (v Settings) Save(ctx context.Context, s settings.State) error {
	_, packed, err := packItem(&s)
	if err != nil {
		return fmt.Errorf("save the editions: %w", err)
	}
	it := newItem(settingsPK, settingsKey.text(attrSK))
	token := []byte(s.Write)
	it[attrVersion], it[attrWrite], it[attrBody] = number(s.Version+1), blob(token), blob(packed)
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, since(uint64(s.Version))))
	return ours(err, 0, token, settings.ErrConflict, "save the editions")
}

// Keep implements settings.Store.
func (v Settings) Keep(ctx context.Context, sum string, file []byte) error {
	_, packed, err := packItem(&file)
	if err != nil {
		return fmt.Errorf("keep chains file %s: %w", sum, err)
	}
	it := newItem(settingsPK, fileSK(sum))
	it[attrBody] = blob(packed)
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, absent))
	if r := (*refusal)(nil); errors.As(err, &r) {
		return nil // it is there
	}
	if err != nil {
		return fmt.Errorf("keep chains file %s: %w", sum, err)
	}
	return nil
}

// File implements settings.Store.
func (v Settings) File(ctx context.Context, sum string) (file []byte, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(settingsPK, fileSK(sum)))
	if err != nil {
		return nil, fmt.Errorf("read chains file %s: %w", sum, err)
	}
	if it == nil {
		return nil, fmt.Errorf("read chains file %s: %w", sum, fs.ErrNotExist)
	}
	if err := it.body(&file); err != nil {
		return nil, fmt.Errorf("read chains file %s: %w", sum, err)
	}
	return file, nil
}
