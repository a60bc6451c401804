package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mist/registry/audit"
)

// maxReceipt bounds a file with a receipt, in bytes.
const maxReceipt = 16 << 10

// readReceipts reads the receipts of a folder: files *.json, each with the
// object that stands in the answer to an act (urgent.receipt).
func readReceipts(dir string) (map[string]audit.Receipt, error) {
	out := map[string]audit.Receipt{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxReceipt {
			return fmt.Errorf("%s is larger than %d bytes", path, maxReceipt)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var r audit.Receipt
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("reading the receipt %s: %w", path, err)
		}
		name, err := filepath.Rel(dir, path)
		out[name] = r
		return err
	})
	return out, err
}
