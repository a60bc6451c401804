package main

import (
	"fmt"
	"io"
	"strings"
)

// target is an instruction set the field code can be written in.
type target struct {
	prefix string // register name prefix: X or Z
	regs   int
	wide   bool // AVX-512: three-way xor, double shifts, lane shuffles
	bytes  int  // register width
}

var (
	avx    = target{prefix: "X", regs: 16, bytes: 16}
	avx512 = target{prefix: "Z", regs: 32, wide: true, bytes: 64}
)

// val is a value computed once in a block.
type val int

// op is one instruction. Operands stand in the order of the Go assembler; the
// destination is last and not listed.
type op struct {
	name string
	args []any // string (verbatim) or val
	mask string
	dst  val  // -1 when there is none
	tied val  // value that must occupy the destination register, or -1
	low  bool // the destination is written as a 128-bit register
}

// block is straight-line code over virtual registers. Values that live across
// blocks are pinned to physical registers.
type block struct {
	t      target
	ops    []op
	vals   int
	inputs map[val]int // pinned at entry
	output map[int]val // pinned at exit
}

func newBlock(t target) *block {
	return &block{t: t, inputs: map[val]int{}, output: map[int]val{}}
}

func (b *block) fresh() val { b.vals++; return val(b.vals - 1) }

// in declares the value found in a register at entry.
func (b *block) in(reg int) val {
	v := b.fresh()
	b.inputs[v] = reg
	return v
}

// out leaves v in a register at exit.
func (b *block) out(reg int, v val) { b.output[reg] = v }

func (b *block) emit(name string, args ...any) val {
	d := b.fresh()
	b.ops = append(b.ops, op{name: name, args: args, dst: d, tied: -1})
	return d
}

// emitLow is emit with a 128-bit destination; the lanes above become zero.
func (b *block) emitLow(name string, args ...any) val {
	d := b.emit(name, args...)
	b.ops[len(b.ops)-1].low = true
	return d
}

// effect is an instruction without a destination register, such as a store.
func (b *block) effect(name string, args ...any) {
	b.ops = append(b.ops, op{name: name, args: args, dst: -1, tied: -1})
}

// update is an instruction that reads and overwrites its destination.
func (b *block) update(name string, old val, mask string, args ...any) val {
	d := b.fresh()
	b.ops = append(b.ops, op{name: name, args: args, mask: mask, dst: d, tied: old})
	return d
}

// assemble allocates registers and writes the code. Values that do not fit are
// kept in stack slots from slot on; it returns the number of slots used.
func (b *block) assemble(w io.Writer, reserved map[int]bool, slot int) int {
	uses := make([][]int, b.vals)
	note := func(v val, at int) { uses[v] = append(uses[v], at) }
	for i, o := range b.ops {
		for _, a := range o.args {
			if v, ok := a.(val); ok {
				note(v, i)
			}
		}
		if o.tied >= 0 {
			note(o.tied, i)
		}
	}
	for _, v := range b.output {
		note(v, len(b.ops))
	}

	where := make([]int, b.vals) // register, or -1
	home := make([]int, b.vals)  // stack slot, or -1
	for i := range where {
		where[i], home[i] = -1, -1
	}
	holder := make([]val, b.t.regs)
	for i := range holder {
		holder[i] = -1
	}
	for v, r := range b.inputs {
		where[v], holder[r] = r, v
	}
	next := func(v val, at int) int {
		for _, u := range uses[v] {
			if u >= at {
				return u
			}
		}
		return -1
	}
	reg := func(r int) string { return fmt.Sprintf("%s%d", b.t.prefix, r) }
	line := func(format string, args ...any) { fmt.Fprintf(w, "\t"+format+"\n", args...) }
	move := "VMOVDQU"
	copyReg := "VMOVDQA"
	if b.t.wide {
		move, copyReg = "VMOVDQU64", "VMOVDQA64"
	}
	slots := slot
	slotName := func(s int) string { return fmt.Sprintf("spill-%d(SP)", (s+1)*b.t.bytes) }

	// take finds a register, spilling the value used latest.
	take := func(at int, busy map[int]bool) int {
		best, far := -1, -1
		for r, h := range holder {
			if reserved[r] || busy[r] {
				continue
			}
			if h < 0 || next(h, at) < 0 {
				best = r
				break
			}
			if n := next(h, at); n > far {
				best, far = r, n
			}
		}
		if best < 0 {
			panic("out of registers")
		}
		if h := holder[best]; h >= 0 {
			if next(h, at) >= 0 && home[h] < 0 {
				home[h] = slots
				slots++
				line("%s %s, %s", move, reg(best), slotName(home[h]))
			}
			where[h] = -1
		}
		holder[best] = -1
		return best
	}
	load := func(v val, at int, busy map[int]bool) int {
		if where[v] < 0 {
			if home[v] < 0 {
				panic(fmt.Sprintf("value %d used before it is defined", v))
			}
			r := take(at, busy)
			line("%s %s, %s", move, slotName(home[v]), reg(r))
			where[v], holder[r] = r, v
		}
		busy[where[v]] = true
		return where[v]
	}

	for i, o := range b.ops {
		busy := map[int]bool{}
		var text []string
		for _, a := range o.args {
			switch a := a.(type) {
			case val:
				text = append(text, reg(load(a, i, busy)))
			case string:
				text = append(text, a)
			}
		}
		if o.mask != "" {
			text = append(text, o.mask)
		}
		if o.dst >= 0 {
			var d int
			if o.tied >= 0 {
				src := load(o.tied, i, busy)
				if next(o.tied, i+1) < 0 {
					d = src
				} else {
					d = take(i, busy)
					line("%s %s, %s", copyReg, reg(src), reg(d))
				}
			} else {
				// Operands used here for the last time may give way to the result.
				for _, a := range o.args {
					if v, ok := a.(val); ok && next(v, i+1) < 0 {
						delete(busy, where[v])
					}
				}
				d = take(i+1, busy)
			}
			if h := holder[d]; h >= 0 && h != o.dst {
				where[h] = -1
			}
			holder[d], where[o.dst] = o.dst, d
			if o.low {
				text = append(text, fmt.Sprintf("X%d", d))
			} else {
				text = append(text, reg(d))
			}
		}
		line("%s %s", o.name, strings.Join(text, ", "))
		for _, a := range o.args {
			if v, ok := a.(val); ok && next(v, i+1) < 0 && where[v] >= 0 && holder[where[v]] == v {
				holder[where[v]], where[v] = -1, -1
			}
		}
		if o.dst >= 0 && next(o.dst, i+1) < 0 {
			holder[where[o.dst]] = -1
			where[o.dst] = -1
		}
	}
	b.settle(line, reg, copyReg, move, slotName, where, home, holder, reserved)
	return slots
}

// settle moves the outputs to their registers, which may be a permutation.
func (b *block) settle(line func(string, ...any), reg func(int) string, copyReg, move string, slotName func(int) string, where, home []int, holder []val, reserved map[int]bool) {
	remaining := map[int]int{} // destination register -> source register
	for d, v := range b.output {
		if where[v] >= 0 && where[v] != d {
			remaining[d] = where[v]
		}
	}
	for len(remaining) > 0 {
		progress := false
		for d := range b.t.regs {
			s, ok := remaining[d]
			if !ok {
				continue
			}
			blocked := false
			for d2, s2 := range remaining {
				if s2 == d && d2 != d {
					blocked = true
				}
			}
			if !blocked {
				line("%s %s, %s", copyReg, reg(s), reg(d))
				delete(remaining, d)
				progress = true
			}
		}
		if progress {
			continue
		}
		// A cycle: move one source out of the way.
		for d := range b.t.regs {
			if s, ok := remaining[d]; ok {
				free := -1
				for r := range b.t.regs {
					_, isDst := b.output[r]
					if !isDst && !reserved[r] && (holder[r] < 0 || where[holder[r]] != r) {
						free = r
					}
				}
				if free < 0 {
					panic("no register to break a cycle")
				}
				line("%s %s, %s", copyReg, reg(s), reg(free))
				for d2, s2 := range remaining {
					if s2 == s {
						remaining[d2] = free
					}
				}
				_ = d
				break
			}
		}
	}
	for d := range b.t.regs {
		if v, ok := b.output[d]; ok && where[v] < 0 {
			line("%s %s, %s", move, slotName(home[v]), reg(d))
		}
	}
}
