package main

import (
	"fmt"

	"mist/registry/audit"
	"mist/registry/audit/token"
)

// signer opens the log's key, from its file or in its device.
func (c LogConfig) signer(sandboxed bool) (*audit.Signer, error) {
	if c.Device == (DeviceConfig{}) {
		text, err := readKeyFile(c.KeyFile, sandboxed)
		if err != nil {
			return nil, err
		}
		signer, err := audit.NewSigner(c.Origin, text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", c.KeyFile, err)
		}
		return signer, nil
	}
	pin, err := readKeyFile(c.Device.PINFile, sandboxed)
	if err != nil {
		return nil, err
	}
	// The session lives as long as the process.
	key, verifier, _, err := token.Open(token.Config{Module: c.Device.Module, Token: c.Device.Token, Key: c.Device.Key, PIN: pin, Origin: c.Origin})
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	return audit.SignerOf(key, verifier)
}

type keysDeviceCommand struct {
	Module  string `required:"" type:"existingfile" help:"The device's PKCS #11 library."`
	Token   string `required:"" help:"Label of the token."`
	Key     string `required:"" help:"Label of the key pair: a new one, or with --show one that is there."`
	PINFile string `required:"" name:"pin-file" type:"existingfile" help:"File with the PIN."`
	Origin  string `required:"" help:"Name of the log (log.origin)."`
	Show    bool   `help:"Make nothing; print the public key of a pair that is there."`
}

// Run implements the command. The private half never leaves the device.
func (c *keysDeviceCommand) Run(e env) error {
	pin, err := readKeyFile(c.PINFile, true)
	if err != nil {
		return err
	}
	t := token.Config{Module: c.Module, Token: c.Token, Key: c.Key, PIN: pin, Origin: c.Origin}
	var verifier string
	if c.Show {
		var stop func()
		if _, verifier, stop, err = token.Open(t); err == nil {
			stop()
		}
	} else {
		verifier, err = token.Make(t)
	}
	if err != nil {
		return &failure{exitFail, err}
	}
	fmt.Fprintln(e.stdout, verifier)
	return nil
}
