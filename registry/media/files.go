package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is a [Storage] in a folder: two levels of folders by the first digits
// of the name.
type Files struct{ dir string }

// OpenFiles makes the folder if there is none.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(filepath.Join(dir, "incoming"), 0o700); err != nil {
		return nil, fmt.Errorf("opening the media folder: %w", err)
	}
	return &Files{dir}, nil
}

// path refuses what is no name, so that none leads out of the folder.
func (f *Files) path(name string) (string, error) {
	if !isName(name) {
		return "", errors.New("media: not a document's name")
	}
	return filepath.Join(f.dir, name[:2], name[2:4], name), nil
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

// Put implements Storage: a temporary file, its sync, the rename, the sync of
// the folder.
func (f *Files) Put(_ context.Context, name string, b []byte) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	t, err := os.CreateTemp(filepath.Join(f.dir, "incoming"), name[:8]+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(t.Name()) }() // gone already when all went well
	_, err = t.Write(b)
	if err == nil {
		err = t.Sync()
	}
	if err := errors.Join(err, t.Close()); err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), path); err != nil {
		return err
	}
	for _, d := range []string{folder, filepath.Dir(folder), f.dir} {
		if err := syncFolder(d); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements Storage.
func (f *Files) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readLimited(file, limit)
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, ErrTooLarge
	}
	return b, err
}

// Has implements Storage.
func (f *Files) Has(_ context.Context, name string) (bool, error) {
	path, err := f.path(name)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Delete implements Storage.
func (f *Files) Delete(_ context.Context, name string) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
