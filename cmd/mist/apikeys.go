package main

import (
	"fmt"
	"strings"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/postgres"
	"mist/signature"
)

// keyProfile tells test keys from live ones.
func keyProfile(cfg Config) string {
	if cfg.Profile == profileSandbox {
		return "test"
	}
	return "live"
}

type apiKeysCommand struct {
	Create apiKeyCreate `cmd:"" help:"Make a key for a hospital; it is printed once and kept nowhere."`
	List   apiKeyList   `cmd:"" help:"List the keys of a hospital, without their secrets."`
	Revoke apiKeyRevoke `cmd:"" help:"End a key at once."`
}

type apiKeyFlags struct {
	Config      string `required:"" type:"existingfile" help:"Configuration file (YAML)." env:"MIST_CONFIG"`
	LegalEntity string `required:"" help:"Id of the legal entity."`
}

// open gives the room as an operator has it. Nothing here verifies a
// signature; the verifier stands in for its part alone.
func (f apiKeyFlags) open(e env) (*access.Service, registry.ID, func(), error) {
	legalEntity, err := registry.ParseID(f.LegalEntity)
	if err != nil {
		return nil, registry.ID{}, nil, &failure{exitUsage, fmt.Errorf("--legal-entity: %w", err)}
	}
	op, err := openOperator(e, f.Config, 2)
	if err != nil {
		return nil, registry.ID{}, nil, err
	}
	keys, err := loadKeys(op.cfg)
	if err == nil {
		var policies signature.PolicyTable
		if policies, err = signature.ParsePolicyTable(policyTable); err == nil {
			var service *access.Service
			service, err = access.New(access.Config{
				Store: postgres.NewPort[access.Tx](op.store).Everywhere(), Walled: postgres.NewPort[access.Tx](op.store), Verifier: &signature.Verifier{}, Policies: policies, Source: registry.SystemSource(),
				Lives: access.DefaultLives(), Key: keys.otp, Audience: "operator", Profile: keyProfile(op.cfg),
			})
			if err == nil {
				return service, legalEntity, op.close, nil
			}
		}
	}
	op.close()
	return nil, registry.ID{}, nil, err
}

type apiKeyCreate struct {
	apiKeyFlags `embed:""`
	Client      string   `required:"" help:"Id of the client system the key works through."`
	Name        string   `required:"" help:"What the key is for."`
	Scope       []string `required:"" help:"Scopes, several by commas."`
	Days        int      `default:"365" help:"Life in days."`
}

// Run implements the command.
func (c *apiKeyCreate) Run(e env) error {
	client, err := registry.ParseID(c.Client)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("--client: %w", err)}
	}
	service, legalEntity, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	k, key, err := service.OperatorKey(e.ctx, client, legalEntity, access.KeyRequest{Name: c.Name, Scopes: c.Scope, Days: c.Days})
	if err != nil {
		return refusedByRules(err)
	}
	fmt.Fprintf(e.stderr, "%s, good until %s; the key is shown now and never again:\n", k.ID, k.ExpiresAt.Format("2006-01-02"))
	fmt.Fprintln(e.stdout, key)
	return nil
}

// refusedByRules tells a wrong request from trouble, with what to mend.
func refusedByRules(err error) error {
	r := registry.AsError(err)
	if r.Code == registry.CodeInternal || r.Code == registry.CodeUnavailable {
		return err
	}
	text := r.Detail
	for _, f := range r.Fields {
		text += "; " + strings.TrimPrefix(f.Entry, "$.") + ": " + f.Description
		if len(f.Params) > 0 {
			text += " (" + strings.Join(f.Params, ", ") + ")"
		}
	}
	return &failure{exitFail, fmt.Errorf("%s", text)}
}

type apiKeyList struct {
	apiKeyFlags `embed:""`
}

// Run implements the command.
func (c *apiKeyList) Run(e env) error {
	service, legalEntity, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	list, err := service.OperatorKeys(e.ctx, legalEntity)
	if err != nil {
		return err
	}
	for _, k := range list {
		state := "until " + k.ExpiresAt.Format("2006-01-02")
		if !k.RevokedAt.IsZero() {
			state = "revoked " + k.RevokedAt.Format("2006-01-02")
		}
		fmt.Fprintf(e.stdout, "%s\t%s\t%s\t%s\n", k.ID, state, k.Name, strings.Join(k.Scopes, " "))
	}
	return nil
}

type apiKeyRevoke struct {
	apiKeyFlags `embed:""`
	ID          string `arg:"" help:"Id of the key."`
}

// Run implements the command.
func (c *apiKeyRevoke) Run(e env) error {
	id, err := registry.ParseID(c.ID)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("the key's id: %w", err)}
	}
	service, legalEntity, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	return refusedIfAny(service.OperatorRevoke(e.ctx, id, legalEntity))
}

func refusedIfAny(err error) error {
	if err == nil {
		return nil
	}
	return refusedByRules(err)
}
