package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Lock is the result of lock or outdated: the pins of a lock file, each with what changed.
type Lock struct {
	File string `json:"file"`
	// Pins are the references of bases, sorted, and Outputs the addresses of images
	// whose digests are pinned as well.
	Pins    []Pin `json:"pins"`
	Outputs []Pin `json:"outputs,omitempty"`
	// Outdated is set where nothing was written: the pins are compared with what the
	// references lead to today.
	Outdated bool `json:"-"`
}

// Pin is a reference of the lock file.
type Pin struct {
	Name   string    `json:"name"`
	Action PinAction `json:"action"`
	// Digest is the digest that is pinned, or what the reference leads to today; Was is the one
	// before that, where it is another.
	Digest digest.Digest `json:"digest,omitempty"`
	Was    digest.Digest `json:"was,omitempty"`
	// Objects are built anew when the digest changes; from outdated alone.
	Objects []string `json:"objects,omitempty"`
}

// PinAction says what became of a pin, or what is to be said of it.
type PinAction string

// The actions.
const (
	PinKept    PinAction = "kept"
	PinAdded   PinAction = "added"
	PinMoved   PinAction = "moved"
	PinDropped PinAction = "dropped"
	PinMissing PinAction = "missing"
	PinUnused  PinAction = "unused"
)

// Add adds a reference with the digests before and after; empty for none.
func (l *Lock) Add(name string, was, now digest.Digest) { l.Pins = append(l.Pins, pin(name, was, now)) }

// AddOutputs adds the digests of images before and after.
func (l *Lock) AddOutputs(was, now map[string]digest.Digest) {
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range now {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		l.Outputs = append(l.Outputs, pin(name, was[name], now[name]))
	}
}

func pin(name string, was, now digest.Digest) Pin {
	switch {
	case was == now:
		return Pin{Name: name, Action: PinKept, Digest: now}
	case was == "":
		return Pin{Name: name, Action: PinAdded, Digest: now}
	case now == "":
		return Pin{Name: name, Action: PinDropped, Was: was}
	}
	return Pin{Name: name, Action: PinMoved, Digest: now, Was: was}
}

// Fits reports whether every pin is kept.
func (l *Lock) Fits() bool {
	kept := func(p Pin) bool { return p.Action == PinKept }
	return !slices.ContainsFunc(l.Pins, func(p Pin) bool { return !kept(p) }) && !slices.ContainsFunc(l.Outputs, func(p Pin) bool { return !kept(p) })
}

// LockReport reports the pins, one a row.
func LockReport(l *Lock) *Report {
	r := &Report{}
	s := Section{Kind: KindEntries, Title: Text{Name(l.File), Words(":")}}
	for _, p := range slices.Concat(l.Pins, l.Outputs) {
		s.Rows = append(s.Rows, pinRow(p, l.Outdated))
	}
	switch {
	case len(s.Rows) == 0:
		s.Title = nil
		s.Closing = []Text{{Words("No base of the spec needs a pin: what layouts and archives hold is used as it is, unless their base block sets pin.")}}
	case l.Fits() && l.Outdated:
		s.Closing = []Text{{Words("Every reference leads to what is pinned.")}}
	case l.Outdated:
		s.Closing = []Text{{Words("To pin what the references lead to today, run layform lock --upgrade.")}}
	}
	r.add(s)
	return r
}

// pinRow is the row of one pin.
func pinRow(p Pin, outdated bool) Row {
	marks := map[PinAction]Mark{PinAdded: MarkAdded, PinMoved: MarkChanged, PinDropped: MarkRemoved, PinMissing: MarkDrifted, PinUnused: MarkDrifted}
	mark, ok := marks[p.Action]
	if !ok {
		mark = MarkKept
	}
	word := string(p.Action)
	if outdated && p.Action == PinMoved {
		word = "outdated"
	}
	row := Row{Mark: mark, Cells: []Text{{{Nature: NatureSubject, Text: p.Name}}, {Words(word)}}}
	if d := p.Digest; d != "" {
		row.Cells = append(row.Cells, Text{{Nature: NatureWholeDigest, Text: string(d)}})
	}
	if p.Was != "" {
		row.Notes = append(row.Notes, Text{Words("(was "), Digest(p.Was), Words(")")})
	}
	if len(p.Objects) > 0 {
		row.Notes = append(row.Notes, Text{Words("rebuilds "), Name(strings.Join(p.Objects, ", "))})
	}
	return row
}
