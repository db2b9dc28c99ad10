package addr

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// samples are addresses in the order of Compare.
func samples() []Address {
	web := Module("").Child("web", "", false)
	return []Address{
		{Kind: Layer, Name: "app"},
		{Kind: Layer, Name: "app", Key: "", Keyed: true},
		{Kind: Layer, Name: "app", Key: "a for manifest.x", Keyed: true},
		{Kind: Layer, Name: "app", Key: "a\"]\n${x} %{y} é\\", Keyed: true},
		{Kind: Layer, Name: "module"},
		{Kind: Config, Name: "a-b_c", Key: "arm64", Keyed: true},
		{Kind: Config, Name: "app", Key: `x" for manifest.y["`, Keyed: true},
		{Kind: Manifest, Name: "app"},
		{Kind: Index, Name: "app", Key: "$", Keyed: true},
		{Module: web, Kind: Layer, Name: "app"},
		{Module: web.Child("db", `a"]`, true), Kind: Config, Name: "app"},
		{Module: web.Child("db", `a"]`, true), Kind: Manifest, Name: "app", Key: "x", Keyed: true},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, a := range samples() {
		if got, err := Parse(a.String()); err != nil || got != a {
			t.Errorf("%s reads as %+v, %v", a, got, err)
		}
		for _, use := range append(samples(), Address{}) {
			id := ID{Address: a, Use: use}
			if !use.IsZero() && (a.Kind != Config || use.Kind != Manifest) {
				if got, err := ParseID(id.String()); err == nil {
					t.Errorf("%s reads as %+v", id, got)
				}
				continue
			}
			if got, err := ParseID(id.String()); err != nil || got != id {
				t.Errorf("%s reads as %+v, %v", id, got, err)
			}
		}
	}
}

func TestOrder(t *testing.T) {
	list := samples()
	for i, a := range list {
		for j, b := range list {
			if got, want := a.Compare(b), cmp.Compare(i, j); got != want {
				t.Errorf("%s and %s compare as %d, want %d", a, b, got, want)
			}
			if got := (ID{Address: a}).Compare(ID{Address: b}); got != cmp.Compare(i, j) {
				t.Errorf("the IDs of %s and %s compare as %d", a, b, got)
			}
			if got, want := (ID{Address: list[0], Use: a}).Compare(ID{Address: list[0], Use: b}), cmp.Compare(i, j); got != want {
				t.Errorf("uses %s and %s compare as %d, want %d", a, b, got, want)
			}
		}
	}
	names := KindNames()
	slices.Reverse(names)
	got := append([]string{"zebra"}, names...)
	slices.SortFunc(got, func(a, b string) int { return Kind(a).Compare(Kind(b)) })
	if want := append([]string{"zebra"}, KindNames()...); !slices.Equal(got, want) {
		t.Errorf("kinds are ordered %v, want %v", got, want)
	}
}

func TestJSON(t *testing.T) {
	type document struct {
		Objects map[ID]int
		Layer   Address
		None    Address `json:",omitzero"`
	}
	want := document{Objects: map[ID]int{}, Layer: samples()[3]}
	for i, a := range samples() {
		want.Objects[ID{Address: a}] = i
		if a.Kind == Config {
			want.Objects[ID{Address: a, Use: samples()[11]}] = -i
		}
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got document
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Objects) != len(want.Objects) || got.Layer != want.Layer || !got.None.IsZero() {
		t.Errorf("read %+v, want %+v", got, want)
	}
	for id, n := range want.Objects {
		if got.Objects[id] != n {
			t.Errorf("%s is %d, want %d", id, got.Objects[id], n)
		}
	}
	if data, err := json.Marshal(struct{ A Address }{}); err == nil {
		t.Errorf("an address that names nothing is written as %s", data)
	}
	if data, err := json.Marshal(struct{ ID ID }{}); err == nil {
		t.Errorf("an ID that names nothing is written as %s", data)
	}
	before := got.Layer
	if err := json.Unmarshal([]byte(`{"Layer": "layr.app"}`), &got); err == nil || got.Layer != before {
		t.Errorf("a wrong address: %v, read as %s", err, got.Layer)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "write KIND.NAME",
		"layer":                              "write KIND.NAME",
		"layr.app":                           `Did you mean "layer"?`,
		"thing.app":                          "There is base, layer, config, manifest, index.",
		"layer.app[arm64]":                   `layer.app["arm64"]`,
		"layer.app[0]":                       "quotation marks",
		"layer.app.x":                        "brackets and quotation marks",
		`layer["app"]`:                       "write KIND.NAME",
		`layer.app["a"].digest`:              "write KIND.NAME",
		`layer.app["a"]["b"]`:                "write KIND.NAME",
		"layer.app.x.y":                      "write KIND.NAME",
		"layer.*.x":                          "write KIND.NAME",
		"module.web":                         "no object in it",
		`module.web["a"]`:                    "no object in it",
		"module.web.layer":                   "no object in it",
		"module.web[0].layer.app":            "quotation marks",
		"module.web.layr.app":                `Did you mean "layer"?`,
		"module.web.module.db":               "no object in it",
		"layer." + strings.Repeat("x", 5000): "longer than 4096 bytes",
		strings.Repeat("layer.app[", 400):    "write KIND.NAME",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %+v, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"config.app for ":                               "write KIND.NAME",
		" for manifest.app":                             "write KIND.NAME",
		"config.app for manifest.a for manifest.b":      "write KIND.NAME",
		"layer.app for manifest.app":                    "nothing else has a use",
		"config.app for config.app":                     "nothing else has a use",
		`config.app["x for manifest.app`:                "write KIND.NAME",
		`config.app["x"] for manifest.app["y for other`: "write KIND.NAME",
	} {
		if got, err := ParseID(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %+v, %v; want %q", text, got, err, want)
		}
	}
}

func TestSelects(t *testing.T) {
	one := Address{Kind: Layer, Name: "app", Key: "a", Keyed: true}
	other := Address{Kind: Layer, Name: "app", Key: "b", Keyed: true}
	inner := Address{Module: "module.web", Kind: Layer, Name: "app"}
	for _, c := range []struct {
		text, object Address
		want         bool
	}{
		{one, one, true}, {one.Block(), one, true}, {one, other, false}, {one, one.Block(), false}, {inner, one, false}, {inner.Block(), inner, true},
	} {
		if got := c.text.Selects(c.object); got != c.want {
			t.Errorf("%s selects %s: %t", c.text, c.object, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range samples() {
		f.Add(a.String())
		f.Add(ID{Address: a, Use: samples()[7]}.String())
	}
	f.Add(`layer . app [ "x" ]`)
	f.Add(`config.app["$${"] for manifest.a`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		again, err := ParseID(id.String())
		if err != nil || again != id {
			t.Errorf("%q reads as %+v, which is written as %q and reads as %+v, %v", text, id, id.String(), again, err)
		}
	})
}
