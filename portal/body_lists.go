package portal

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// maxItems bounds a list in a body.
const maxItems = 1000

func (f *fields) list(name string) []any {
	v, given := f.object[name]
	delete(f.object, name)
	if !given {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		f.wrong(name, "cast", "type mismatch. Expected Array")
	}
	if len(list) > maxItems {
		f.wrong(name, "length", fmt.Sprintf("at most %d items", maxItems))
		return nil
	}
	return list
}

// objects takes a list of objects; the faults of each come back with join.
func (f *fields) objects(name string) (out []*fields) {
	for i, v := range f.list(name) {
		o, ok := v.(map[string]any)
		if !ok {
			f.wrong(fmt.Sprintf("%s.[%d]", name, i), "cast", "type mismatch. Expected Object")
			continue
		}
		out = append(out, object(o).fields())
	}
	return out
}

// texts takes a list of strings.
func (f *fields) texts(name string) (out []string) {
	for i, v := range f.list(name) {
		s, ok := v.(string)
		if !ok {
			f.wrong(fmt.Sprintf("%s.[%d]", name, i), "cast", "type mismatch. Expected String")
			continue
		}
		out = append(out, s)
	}
	return out
}

// number takes a whole number; absent gives 0.
func (f *fields) number(name string) int {
	v, given := f.object[name]
	delete(f.object, name)
	if !given {
		return 0
	}
	n, ok := v.(json.Number)
	i, err := strconv.Atoi(n.String())
	if !ok || err != nil {
		f.wrong(name, "cast", "type mismatch. Expected Integer")
	}
	return i
}
