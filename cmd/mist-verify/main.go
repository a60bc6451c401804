// Command mist-verify checks signed files, offline and without a database:
// what an auditor, a court or a vendor of a medical information system
// installs. It trusts the certificates and keys given to it and nothing else.
//
// Results go to standard output, everything else to standard error. Exit
// codes are frozen: 0 passed or proven, 1 failed or disproven, 2 undecided,
// 3 no signature found, 4 wrong use, 5 unreadable or our own failure.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"mist/signature/trust/fetch"
)

// Exit codes, frozen.
const (
	exitPassed     = 0
	exitFailed     = 1
	exitUndecided  = 2
	exitNone       = 3
	exitUse        = 4
	exitUnreadable = 5
)

// gravest orders exit codes of many files: 5, 1, 2, 3, 0.
func gravest(a, b int) int {
	order := map[int]int{exitUnreadable: 5, exitFailed: 4, exitUndecided: 3, exitNone: 2, exitPassed: 1}
	if order[b] > order[a] {
		return b
	}
	return a
}

// exitError carries an exit code with what to tell the user.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func wrongUse(format string, a ...any) error {
	return &exitError{exitUse, fmt.Errorf(format, a...)}
}

// env is what a command may use of the process.
type env struct {
	ctx    context.Context
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string
	// fetcher makes what asks the network; a test gives it a server of its own.
	fetcher func(fetch.Config) (*fetch.Fetcher, error)
	exit    int
}

type cli struct {
	Verify   verifyCommand   `cmd:"" default:"withargs" help:"Verify signed files (CAdES, XAdES, ASiC)."`
	Batch    batchCommand    `cmd:"" help:"Verify many files: one JSON object per line in, one per line out."`
	Trust    trustCommand    `cmd:"" help:"Look at a folder of trusted certificates."`
	Extend   extendCommand   `cmd:"" help:"Lift a CAdES signature to level T, LT or LTA."`
	Exchange exchangeCommand `cmd:"" help:"Prove an exchange of Trembita (ASiC-S) or X-Road (ASiC-E) from the two containers of a security server."`
	Package  packageCommand  `cmd:"" passthrough:"" help:"Prove an entry from a package of evidence, offline (mist-verify package FILE --key log.key --trust certs/)."`
	Audit    auditProof      `cmd:"" passthrough:"" help:"Prove that an entry stands in an audit log (mist-verify audit --help)."`
}

// auditProof hands its arguments to auditCommand, which has flags of its own.
type auditProof struct {
	Args []string `arg:"" optional:""`
}

// Run implements the command.
func (c *auditProof) Run(e *env) error {
	e.exit = auditCommand(e.ctx, c.Args, e.out, e.err)
	return nil
}

// packageCommand is mist-verify audit --evidence FILE.
type packageCommand struct {
	Args []string `arg:"" optional:""`
}

// Run implements the command.
func (c *packageCommand) Run(e *env) error {
	e.exit = auditCommand(e.ctx, append([]string{"--evidence"}, c.Args...), e.out, e.err)
	return nil
}

const description = `Verifies electronic signatures (КЕП): CAdES, XAdES and ASiC with DSTU 4145, ECDSA and RSA.

Examples:
  mist-verify declaration.p7s --trust certs/
  mist-verify detached.p7s --content document.json --trust certs/
  mist-verify old.p7s --trust certs/ --time 2017-06-22T13:40:00Z --policy archive-test
  mist-verify container.asice --trust certs/ --json
  mist-verify declaration.p7s --trust certs/ --pdf protocol.pdf --etsi report.xml
  mist-verify batch --trust certs/ < list.ndjson

Exit codes: 0 passed or proven, 1 failed or disproven, 2 undecided, 3 no signature found, 4 wrong use, 5 unreadable or our own failure.
Environment: MIST_TRUST (folder of trusted certificates), MIST_LANG (uk or en), NO_COLOR.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// run is the whole program; tests call it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, getenv func(string) string) int {
	return (&env{ctx: ctx, in: in, out: out, err: errOut, getenv: getenv, fetcher: fetch.New}).run(args)
}

func (e *env) run(args []string) int {
	out, errOut := e.out, e.err
	var c cli
	code, done := 0, false
	parser, err := kong.New(&c,
		kong.Name("mist-verify"),
		kong.Description(description),
		kong.Writers(out, errOut),
		kong.Exit(func(n int) { code, done = n, true }),
	)
	if err != nil {
		fmt.Fprintln(errOut, "mist-verify:", err)
		return exitUnreadable
	}
	if len(args) == 0 {
		// Nothing to do is wrong use; the manual goes where errors go.
		parser.Stdout = errOut
		_, _ = parser.Parse([]string{"--help"})
		return exitUse
	}
	k, err := parser.Parse(args)
	if done {
		return code
	}
	if err != nil {
		fmt.Fprintln(errOut, "mist-verify:", err)
		fmt.Fprintln(errOut, "Run mist-verify --help for the manual.")
		return exitUse
	}
	if err := k.Run(e); err != nil {
		fmt.Fprintln(errOut, "mist-verify:", err)
		var x *exitError
		if errors.As(err, &x) {
			return x.code
		}
		return exitUnreadable
	}
	return e.exit
}
