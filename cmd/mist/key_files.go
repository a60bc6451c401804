package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mist/registry"
	"mist/registry/audit"
)

type keysSecretCommand struct {
	Out string `arg:"" help:"File to write: 32 random bytes in hexadecimal, for keys.sealing and keys.otp."`
}

// Run implements the command.
func (c *keysSecretCommand) Run(env) error {
	return newKeyFile(c.Out, hex.EncodeToString(registry.SystemSource().Bytes(32)))
}

type keysLogCommand struct {
	Origin string `required:"" help:"Name of the log: the first line of every checkpoint (log.origin)."`
	Out    string `arg:"" help:"File to write, for log.key_file."`
}

// Run implements the command. The public key goes to standard output: auditors
// must get it by another way than the log's address.
func (c *keysLogCommand) Run(e env) error {
	signer, verifier, err := audit.GenerateKey(registry.SystemSource().Random, c.Origin)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if err := newKeyFile(c.Out, signer); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, verifier)
	return nil
}

// newKeyFile never overwrites: a lost key cannot be made again.
func newKeyFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &failure{exitUsage, fmt.Errorf("%s exists; a key is never overwritten", path)}
	}
	if err != nil {
		return &failure{exitUsage, err}
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Close())
}
