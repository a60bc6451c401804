package local

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// mode is the way to run PostgreSQL, which refuses to run as root.
type mode struct {
	// namespace: a user namespace in which our root appears as uid 1000. Files
	// stay root's and any folder of root's works.
	namespace bool
	// uid and gid: another account, where namespaces are forbidden. Equal to our
	// own for a plain user.
	uid, gid int
}

// chooseMode tries what the kernel allows. dir is the database folder.
func chooseMode(bin Binaries, dir string) (mode, error) {
	if os.Geteuid() != 0 {
		return mode{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	ns := mode{namespace: true}
	cmd := exec.Command(bin.path("postgres"), "--version")
	ns.apply(cmd)
	err := cmd.Run()
	if err == nil {
		return ns, nil
	}
	m := mode{uid: 65534, gid: 65534}
	if u, lookupErr := user.Lookup("postgres"); lookupErr == nil {
		m.uid, _ = strconv.Atoi(u.Uid)
		m.gid, _ = strconv.Atoi(u.Gid)
	}
	for p := filepath.Dir(dir); ; p = filepath.Dir(p) {
		st, statErr := os.Stat(p)
		if statErr == nil && st.Mode().Perm()&0o001 == 0 {
			return mode{}, &BlockedError{Folder: p, UID: m.uid, Err: err}
		}
		if p == filepath.Dir(p) {
			return m, nil
		}
	}
}

func (m mode) apply(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{}
	switch {
	case m.namespace:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
	case os.Geteuid() == 0:
		attr.Credential = &syscall.Credential{Uid: uint32(m.uid), Gid: uint32(m.gid)}
	}
	cmd.SysProcAttr = attr
}

// claim hands a folder to the account that will run the server. It walks the
// tree only when the folder belongs to somebody else, as after a change of mode.
func (m mode) claim(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) == m.uid {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.Lchown(path, m.uid, m.gid)
	})
}

// dieWithParent asks the kernel to shut the server down (fast, as Stop does)
// when Mist dies, and keeps the terminal's Ctrl-C away from it: Mist drains
// first and stops its database last.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	cmd.SysProcAttr.Setsid = true
}
