package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supervise runs the server until Stop and starts it again when it dies by
// itself. The first outcome goes to ready.
//
// The goroutine keeps its thread: the parent-death signal of Linux is bound to
// the thread that made the child (prctl(2), PR_SET_PDEATHSIG), and Go would
// otherwise let that thread go while Mist lives.
func (s *Server) supervise(ready chan<- error) {
	runtime.LockOSThread()
	defer s.release()
	pause := 100 * time.Millisecond
	for first := true; ; first = false {
		began := time.Now()
		exited, err := s.launch()
		if err == nil {
			err = s.awaitReady(exited)
		}
		if first {
			ready <- err
			if err != nil && exited == nil {
				return
			}
		} else if err != nil {
			s.cfg.Log.Error("database did not come back", "err", err)
		}
		if exited != nil {
			<-exited
		}
		s.mu.Lock()
		s.proc = nil
		s.mu.Unlock()
		if s.stopped() || first && err != nil {
			return
		}
		s.cfg.Log.Error("database process ended by itself; starting it again", "log", filepath.Join(s.cfg.Dir, "server.log"))
		if time.Since(began) > 10*time.Second {
			pause = 100 * time.Millisecond
		}
		select {
		case <-s.stopping:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 10*time.Second)
	}
}

func (s *Server) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// launch starts the server process; the channel closes when it is gone.
func (s *Server) launch() (<-chan struct{}, error) {
	log, err := openLog(filepath.Join(s.cfg.Dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(s.bin.path("postgres"), s.arguments()...)
	cmd.Dir = s.cfg.Dir
	cmd.Env = s.environment()
	cmd.Stdout, cmd.Stderr = log, log
	// The child holds the lock too: the folder stays taken until the last
	// process that writes to it is gone, even when Mist was killed.
	cmd.ExtraFiles = []*os.File{s.lock}
	s.mode.apply(cmd)
	dieWithParent(cmd)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped() {
		return nil, errors.New("starting local PostgreSQL: stopped before it began")
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	s.proc = cmd.Process
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	return exited, nil
}

// awaitReady watches the status line of postmaster.pid (line 8, as pg_ctl does).
func (s *Server) awaitReady(exited <-chan struct{}) error {
	pidfile := filepath.Join(s.cfg.Dir, "data", "postmaster.pid")
	deadline := time.Now().Add(s.cfg.StartTimeout)
	want := strconv.Itoa(s.PID())
	for {
		b, err := os.ReadFile(pidfile)
		if err == nil {
			lines := strings.Split(string(b), "\n")
			// In a user namespace of its own the server still shares our process ids.
			if len(lines) > 7 && strings.TrimSpace(lines[0]) == want && strings.TrimSpace(lines[7]) == "ready" {
				return nil
			}
		}
		select {
		case <-exited:
			return fmt.Errorf("local PostgreSQL ended while starting: %s", lastLines(readTail(filepath.Join(s.cfg.Dir, "server.log"))))
		case <-s.stopping:
			return errors.New("starting local PostgreSQL: stopped")
		case <-time.After(3 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.signal(syscall.SIGQUIT)
			return fmt.Errorf("local PostgreSQL not ready after %v: %s", s.cfg.StartTimeout, lastLines(readTail(filepath.Join(s.cfg.Dir, "server.log"))))
		}
	}
}

// openLog appends; a log above 16 MB is started anew, one old copy is kept.
func openLog(path string) (*os.File, error) {
	if st, err := os.Stat(path); err == nil && st.Size() > 16<<20 {
		_ = os.Rename(path, path+".old")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening database log: %w", err)
	}
	return f, nil
}

// takeLock takes the folder for this process. When the holder is dead but its
// server is still going down (its processes inherit the lock) it waits.
func takeLock(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "mist.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking database folder: %w", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		holder := readHolder(f)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("locking database folder: %w", err)
		}
		if alive(holder) || time.Now().After(deadline) {
			_ = f.Close()
			return nil, &InUseError{Dir: dir, PID: holder}
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for the former server to end: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking database folder: %w", err)
	}
	return f, nil
}

func readHolder(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	return strings.TrimSpace(string(b[:n]))
}

// alive reports whether the process runs; an unreadable id counts as alive for
// the holder has taken the lock and not yet written itself down.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return true
	}
	err = syscall.Kill(n, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
