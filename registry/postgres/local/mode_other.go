//go:build !linux

package local

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// mode: outside Linux the server runs as the user who started Mist.
type mode struct{}

func chooseMode(Binaries, string) (mode, error) {
	if os.Geteuid() == 0 {
		return mode{}, errors.New("PostgreSQL does not run as root: run Mist as a plain user, or set DATABASE_URL")
	}
	return mode{}, nil
}

func (mode) apply(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{} }

func (mode) claim(string) error { return nil }

// dieWithParent has no parent-death signal here: after a kill of Mist the
// server stays, and the next start names it as the holder of the folder.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr.Setsid = true }
