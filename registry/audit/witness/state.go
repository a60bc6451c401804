package witness

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
)

// Files is a State in a folder: one small file a log, replaced as a whole.
type Files struct {
	dir  string
	lock *os.File
}

// OpenFiles opens or makes the folder and holds its lock: two witnesses with
// one state would forget each other's trees.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the witness's state: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the witness's state: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("the witness's state in %s is in use by another process: %w", dir, err)
	}
	return &Files{dir, lock}, nil
}

// Close gives the lock back.
func (f *Files) Close() error { return f.lock.Close() }

type treeFile struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Root   string `json:"root"` // base64, as in checkpoints
}

func (f *Files) path(origin string) string {
	name := sha256.Sum256([]byte(origin))
	return filepath.Join(f.dir, hex.EncodeToString(name[:16])+".json")
}

// Get implements State.
func (f *Files) Get(origin string) (Tree, error) {
	b, err := os.ReadFile(f.path(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return Tree{Root: audit.EmptyRoot()}, nil
	}
	if err != nil {
		return Tree{}, err
	}
	var t treeFile
	if err := json.Unmarshal(b, &t); err != nil {
		return Tree{}, fmt.Errorf("the witness's state of a log is damaged: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(t.Root)
	if err != nil || len(root) != tlog.HashSize || t.Origin != origin || t.Size < 0 {
		return Tree{}, errors.New("the witness's state of a log is damaged")
	}
	return Tree{t.Size, tlog.Hash(root)}, nil
}

// Put implements State: written aside, made durable, then put in place.
func (f *Files) Put(origin string, t Tree) error {
	b, err := json.Marshal(treeFile{origin, t.Size, t.Root.String()})
	if err != nil {
		return err
	}
	path := f.path(origin)
	next, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(append(b, '\n'))
	if err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
