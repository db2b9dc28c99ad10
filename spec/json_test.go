package spec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/jsondoc"
)

// TestJSONComesBack: a value is the same after its way through a document,
// whichever characters it has and whoever wrote the document.
func TestJSONComesBack(t *testing.T) {
	for _, v := range []cty.Value{
		cty.StringVal("plain"), cty.StringVal("<a href='&'>\u2028\u2029\x7f\x00\u202e\u00e9\U0001d11e\"\\/"), cty.NumberFloatVal(1.5),
		cty.MustParseNumberVal("12345678901234567890123.000000000000000000001"), cty.NumberIntVal(-0), cty.True, cty.NullVal(cty.String),
		cty.EmptyObjectVal, cty.EmptyTupleVal,
		cty.ObjectVal(map[string]cty.Value{"b": cty.TupleVal([]cty.Value{cty.StringVal("\u2028")}), "a<": cty.NullVal(cty.Number)}),
	} {
		want := JSON(canonicalJSON(v))
		document := struct{ Value, None JSON }{Value: want}
		data, err := jsondoc.Encode(document)
		if err != nil {
			t.Fatal(err)
		}
		spaced, err := json.MarshalIndent(document, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{data, spaced} {
			var got struct{ Value, None JSON }
			if err := jsondoc.Decode(text, jsondoc.Limits{}, &got); err != nil || got.Value != want {
				t.Errorf("%s came back as %s: %v", want, got.Value, err)
			}
		}
		if strings.Contains(string(data), `"Value":"{`) {
			t.Errorf("an object became a string: %s", data)
		}
	}
	if err := json.Unmarshal([]byte(`{"a":`), new(JSON)); err == nil {
		t.Error("half a value was taken")
	}
}
