//go:build js && wasm

// Command wasm is package offline as WebAssembly: it gives the worker of the
// page /verify two functions and waits. `make build` compiles it.
package main

import (
	"context"
	"encoding/json"
	"syscall/js"
	"time"
	_ "time/tzdata" // protocols are in Kyiv time

	"mist/portal/verify/offline"
	"mist/signature"
)

func main() {
	var checker *offline.Checker
	js.Global().Set("mistOpen", js.FuncOf(func(_ js.Value, args []js.Value) any {
		c, err := offline.Open(taken(args[0]), args[1].String(), time.Now)
		if err != nil {
			return failure(err)
		}
		checker = c
		return text(c.State())
	}))
	js.Global().Set("mistVerify", js.FuncOf(func(_ js.Value, args []js.Value) any {
		words := map[string]string{}
		if err := json.Unmarshal([]byte(args[1].String()), &words); err != nil {
			return failure(err)
		}
		var files []offline.File
		for i := 2; i+1 < len(args); i += 2 {
			files = append(files, offline.File{Name: args[i].String(), Bytes: taken(args[i+1])})
		}
		a, err := checker.Verify(context.Background(), args[0].String(), words, files...)
		if err != nil {
			return failure(err)
		}
		out := text(a).(map[string]any)
		out["etsi"], out["pdf"] = given(a.ETSI), given(a.PDF)
		return out
	}))
	select {}
}

// taken copies an Uint8Array.
func taken(v js.Value) []byte {
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return b
}

func given(b []byte) js.Value {
	v := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(v, b)
	return v
}

// text is an answer as JSON, for JSON.parse.
func text(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return failure(err)
	}
	return map[string]any{"ok": string(b)}
}

// failure tells the kind of an error and its words.
func failure(err error) any {
	kind := "failed"
	if signature.IsUnreadable(err) {
		kind = "unreadable"
	}
	return map[string]any{"error": err.Error(), "kind": kind}
}
