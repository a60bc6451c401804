package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry/audit"
)

func goodConfig() Config {
	c := defaultConfig()
	c.Database.URLFile = "db"
	c.SOAP.Service = "UA/GOV/00000002/mist"
	c.SOAP.Clients = []string{"UA/GOV/00000001/diia"}
	c.Log.Origin, c.Log.KeyFile = "mist.example", "log"
	c.Log.Quorum = 2
	for _, name := range []string{"a", "b", "c"} {
		_, key, err := audit.GenerateWitnessKey(strings.NewReader(strings.Repeat(name, 64)), name+".example/witness")
		if err != nil {
			panic(err)
		}
		c.Log.Witnesses = append(c.Log.Witnesses, WitnessConfig{Organisation: name, URL: "https://" + name + ".example", Key: key})
	}
	c.Trust.Dir = "trust"
	c.Keys = KeysConfig{Sealing: map[uint16]string{1: "s"}, Current: 1, OTP: "otp"}
	c.Media.Dir = "media"
	return c
}

func TestConfigRefusesWhatWouldHurtLater(t *testing.T) {
	require.NoError(t, goodConfig().validate(), "the unbroken twin")
	for what, change := range map[string]func(c *Config){
		"profile must be":              func(c *Config) { c.Profile = "test" },
		"database: give":               func(c *Config) { c.Database.Embedded = "x" },
		"max_connections":              func(c *Config) { c.Database.MaxConnections = 1 },
		"rest.listen":                  func(c *Config) { c.REST.Listen = "8080" },
		"soap.listen: 0.0.0.0":         func(c *Config) { c.SOAP.Listen = "0.0.0.0:1" },
		"admin.listen: 10.0.0.1":       func(c *Config) { c.Admin.Listen = "10.0.0.1:1" },
		"soap.service":                 func(c *Config) { c.SOAP.Service = "mist" },
		"soap.clients":                 func(c *Config) { c.SOAP.Clients = []string{"diia"} },
		"max_body":                     func(c *Config) { c.REST.MaxBody = 1 },
		"log.origin":                   func(c *Config) { c.Log.Origin = "a b" },
		"log.period":                   func(c *Config) { c.Log.Period = 1 },
		"log.key_file is missing":      func(c *Config) { c.Log.KeyFile = "" },
		"can be rewritten":             func(c *Config) { c.Log.Witnesses, c.Log.Quorum = nil, 0 },
		"log.quorum without":           func(c *Config) { c.Log.Witnesses = nil },
		"log.quorum must lie":          func(c *Config) { c.Log.Quorum = 4 },
		"alone can give the quorum":    func(c *Config) { c.Log.Witnesses[1].Organisation = "a" },
		"named twice":                  func(c *Config) { c.Log.Witnesses[1].Key = c.Log.Witnesses[0].Key },
		"witnesses[2].url":             func(c *Config) { c.Log.Witnesses[2].URL = "http://c.example" },
		"witnesses[0].key":             func(c *Config) { c.Log.Witnesses[0].Key = "x" },
		"exclude each other":           func(c *Config) { c.Log.Unwitnessed = true },
		"keys.current":                 func(c *Config) { c.Keys.Current = 7 },
		"limits.otp_ttl":               func(c *Config) { c.Limits.OTPTTL = 0 },
		"limits.otp_tries":             func(c *Config) { c.Limits.OTPTries = 99 },
		"jobs.workers":                 func(c *Config) { c.Jobs.Workers = 0 },
		"jobs.poll":                    func(c *Config) { c.Jobs.Poll = 1 },
		"jobs.first_retry":             func(c *Config) { c.Jobs.FirstRetry = 3 * time.Hour },
		"belong to the sandbox":        func(c *Config) { c.Sandbox.VisibleOTP = true },
		"media: give":                  func(c *Config) { c.Media.S3.Bucket = "b" },
		"media: give ":                 func(c *Config) { c.Media.Dir = "" },
		"media.s3.endpoint":            func(c *Config) { c.Media = MediaConfig{S3: S3Config{Endpoint: "http://store.example"}} },
		"media.s3: bucket":             func(c *Config) { c.Media = MediaConfig{S3: S3Config{Endpoint: "https://store.example"}} },
		"echo service":                 func(c *Config) { c.Sandbox.Echo = true },
		"trust.allow_private belongs":  func(c *Config) { c.Trust.AllowPrivate = true },
		"sandbox.dir and sandbox.serv": func(c *Config) { c.Profile = profileSandbox },
	} {
		c := goodConfig()
		change(&c)
		err := c.validate()
		require.ErrorContains(t, err, strings.TrimSpace(what))
	}
}

func TestConfigFileRefusesUnknownKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mist.yaml")
	require.NoError(t, os.WriteFile(path, []byte("profile: production\nlog:\n  key_file: keys/log\n"), 0o600))
	c, err := loadConfig(path)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(path), "keys/log"), c.Log.KeyFile)
	require.NoError(t, os.WriteFile(path, []byte("profile: production\nlgo: {}\n"), 0o600))
	_, err = loadConfig(path)
	require.ErrorContains(t, err, "lgo")
}

func TestSandboxSecretsOpenNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, writeSandboxSecret(path, make([]byte, 32)))
	_, err := readSecret(path, true)
	require.NoError(t, err)
	_, err = readSecret(path, false)
	require.ErrorContains(t, err, "sandbox key")
	require.NoError(t, os.WriteFile(path, []byte("00"), 0o600))
	_, err = readSecret(path, true)
	require.ErrorContains(t, err, "at least 32 bytes")
}

func TestExampleConfigurationIsValid(t *testing.T) {
	c, err := loadConfig("../../deploy/mist.example.yaml")
	require.NoError(t, err)
	require.NoError(t, c.validate())
	_, err = c.SOAP.transport(c.Limits)
	require.ErrorContains(t, err, "soap.tls", "its files are not there")
}
