package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layform/layform/spec/edit"
)

// A file that is not what was read any more is not overwritten, and the files that were
// written before it get their content back.
func TestReplaceAll(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.layform.hcl": "a = 1\n", "b.layform.hcl": "somebody else's\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	changes := []edit.Change{
		{Name: "a.layform.hcl", Before: []byte("a = 1\n"), After: []byte("a = 2\n")},
		{Name: "b.layform.hcl", Before: []byte("b = 1\n"), After: []byte("b = 2\n")},
	}
	err := replaceAll(dir, changes)
	if err == nil || !strings.Contains(err.Error(), "b.layform.hcl: somebody changed it meanwhile") {
		t.Errorf("got %v", err)
	}
	hold := func(want map[string]string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(want) {
			t.Errorf("%d files, %v", len(entries), err)
		}
		for name, text := range want {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(got) != text {
				t.Errorf("%s holds %q, %v", name, got, err)
			}
		}
	}
	hold(map[string]string{"a.layform.hcl": "a = 1\n", "b.layform.hcl": "somebody else's\n"})
	changes[1].Before = []byte("somebody else's\n")
	if err := replaceAll(dir, changes); err != nil {
		t.Fatal(err)
	}
	hold(map[string]string{"a.layform.hcl": "a = 2\n", "b.layform.hcl": "b = 2\n"})
	if info, err := os.Stat(filepath.Join(dir, "a.layform.hcl")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Each line of the README's table of counterparts is a line of a script.
func TestCounterparts(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../testdata/script/counterparts.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(readme), "| regshape | layform |\n|---|---|\n")
	if !ok {
		t.Fatal("README.md has no table of counterparts")
	}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 {
			break
		}
		rows++
		commands := strings.Split(cells[2], "`")
		if len(commands) < 3 {
			t.Errorf("no command in %q", line)
		}
		for i := 1; i < len(commands); i += 2 {
			if !strings.Contains(string(script), "\n"+commands[i]+"\n") {
				t.Errorf("the script does not run %q", commands[i])
			}
		}
	}
	if rows != 15 {
		t.Errorf("the table has %d rows, want 15", rows)
	}
}
