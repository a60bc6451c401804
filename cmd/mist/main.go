// Command mist is the registry's server and its operator's tools.
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
)

// Exit codes of mist.
const (
	exitOK    = 0
	exitFail  = 1 // the command ran and the answer is no
	exitUsage = 4 // wrong use
	exitOwn   = 5 // our own failure
)

// cli is the command line. Help texts are the manual; keep them whole sentences.
type cli struct {
	Serve     serveCommand     `cmd:"" help:"Run the server from a configuration file."`
	Sandbox   sandboxCommand   `cmd:"" help:"Make a sandbox (test PKI, database, people) if there is none, and run it."`
	Demo      demoCommand      `cmd:"" help:"Run the sandbox, do the three walks once over HTTP, stop; exit code 0 or 1."`
	Config    configCommand    `cmd:"" help:"Print the effective configuration without secrets."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database schema up to date and stop."`
	Postgres  postgresCommand  `cmd:"" help:"Find PostgreSQL's programs; on Debian, as root, install them if there are none."`
	Sign      signCommand      `cmd:"" help:"Sign a file (CAdES-B; with --tsa CAdES-T)."`
	XRoad     xroadCommand     `cmd:"" name:"xroad" help:"Trembita / X-Road: conformance of a service."`
	SSSim     ssSimCommand     `cmd:"" name:"ss-sim" help:"Simulate a pair of security servers between clients and a provider (tests only)."`
	Generate  generateCommand  `cmd:"" help:"Write a synthetic population for mist import."`
	Import    importCommand    `cmd:"" help:"Bring data from a file into the registry."`
	Keys      keysCommand      `cmd:"" help:"Data keys: list them, make a new one and seal everything again, wrap them anew."`
	Jobs      jobsCommand      `cmd:"" help:"Jobs: list those that are not done, replay or discard dead ones."`
	Outbox    outboxCommand    `cmd:"" help:"Messages to other registers: list, show, replay, discard, pause a register."`
	Witness   witnessCommand   `cmd:"" help:"Cosign the checkpoints of audit logs from outside, as long as none rewrites its past."`
	Monitor   monitorCommand   `cmd:"" help:"Recount an audit log from its database (or a replica) and name any row that was touched."`
	Trail     trailCommand     `cmd:"" help:"The trail: orders of two people about it."`
	Archive   archiveCommand   `cmd:"" help:"The archive of signed containers: how it stands; extend signatures before what proves them ends."`
	Trust     trustCommand     `cmd:"" help:"What signatures are judged by: taking a file over, by an order of two people."`
	Evidence  evidenceCommand  `cmd:"" help:"Evidence: packages that prove an act to a court or another auditor."`
	APIKeys   apiKeysCommand   `cmd:"" name:"api-keys" help:"Keys of hospitals for their own programs: make, list, revoke."`
	Admin     adminCommand     `cmd:"" help:"Set an installation up: legal entities that do not register themselves, client systems, employees by signed orders."`
	WSDL      wsdlCommand      `cmd:"" name:"wsdl" help:"Contracts: check a WSDL against the X-Road and interoperability rules."`
	Edge      edgeCommand      `cmd:"" help:"A hospital's own side: keeps signed acts and the own patients while the centre cannot be reached."`
	Reconcile reconcileCommand `cmd:"" help:"Compare an archive of a security server with the trail, and name what either lacks: exit code 0 nothing, 1 findings, 2 some files unreadable."`
}

// env is what commands get instead of globals.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// failure carries an exit code other than 5.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("mist"), kong.UsageOnError(),
		kong.Description("Mist (міст): a health registry behind REST and Trembita, with КЕП on every act and a provable audit trail."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "mist:", err)
		return exitOwn
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return exitUsage
	}
	if err := k.Run(env{ctx, stdout, stderr}); err != nil {
		fmt.Fprintln(stderr, "mist:", err)
		var f *failure
		if errors.As(err, &f) {
			return f.code
		}
		return exitOwn
	}
	return exitOK
}
