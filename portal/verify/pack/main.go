// Command pack compiles the verifier of the page /verify to WebAssembly and puts
// it, compressed, with its worker's script into portal/verify/built, where the
// server's build embeds it. `make build` runs it; the same source and toolchain
// give the same bytes.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if err := run("portal/verify"); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(room string) error {
	dir, err := os.MkdirTemp("", "mist-wasm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "mist.wasm")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, "./"+room+"/wasm")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOWASM=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("compiling the verifier: %w", err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("asking for the toolchain: %w", err)
	}
	support, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return fmt.Errorf("reading the toolchain's wasm_exec.js: %w", err)
	}
	own, err := os.ReadFile(filepath.Join(room, "worker", "worker.js"))
	if err != nil {
		return err
	}
	built := filepath.Join(room, "built")
	if err := put(filepath.Join(built, "worker.js"), append(append(support, '\n'), own...)); err != nil {
		return err
	}
	sum := sha256.Sum256(code)
	mark := filepath.Join(built, "mist.wasm.sha256")
	want := hex.EncodeToString(sum[:]) + "\n"
	// Compression takes longer than all else: only for other code.
	if have, err := os.ReadFile(mark); err == nil && string(have) == want && there(built, "mist.wasm.gz", "mist.wasm.zst") {
		return nil
	}
	var z bytes.Buffer
	gz, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := gz.Write(code); err != nil {
		return err
	}
	if err := gz.Close(); err != nil {
		return err
	}
	// Browsers unpack windows of at most 8 MiB (RFC 9659).
	zs, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if err := put(filepath.Join(built, "mist.wasm.gz"), z.Bytes()); err != nil {
		return err
	}
	if err := put(filepath.Join(built, "mist.wasm.zst"), zs.EncodeAll(code, nil)); err != nil {
		return err
	}
	return put(mark, []byte(want))
}

func there(folder string, names ...string) bool {
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(folder, n)); err != nil {
			return false
		}
	}
	return true
}

// put writes a file that is not that already, so that what embeds it is not
// compiled again.
func put(name string, b []byte) error {
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, b) {
		return nil
	}
	next := name + ".next"
	if err := os.WriteFile(next, b, 0o644); err != nil {
		return err
	}
	return os.Rename(next, name)
}
