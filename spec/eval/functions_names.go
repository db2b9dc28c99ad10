package eval

import (
	"errors"
	"strings"
	"unicode"

	"github.com/google/uuid"
	version "github.com/hashicorp/go-version"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/unicode/norm"

	"github.com/layform/layform/layout/imagespec"
)

// maxSlug is the length that registries allow for a tag.
const maxSlug = 128

var notAlphanumeric = imagespec.Pattern(`[^a-z0-9]+`)

// slug makes a tag of any text: in lower case, without accents, and with a dash
// for what is neither a letter nor a digit. A single dot or underscore stays.
func slug(s string) (string, error) {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1 // the accent of the letter before
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
	text := notAlphanumeric().ReplaceAllStringFunc(plain, func(run string) string {
		if run == "." || run == "_" {
			return run
		}
		return "-"
	})
	text = strings.TrimLeft(text, ".-_")
	text = strings.TrimRight(text[:min(len(text), maxSlug)], ".-_")
	if text == "" {
		return "", errors.New("it has no letter or digit that a tag could have")
	}
	return text, nil
}

func slugFunc() function.Function { return checkedText(slug) }

// uuidNamespaces are the namespaces of RFC 4122 by name.
var uuidNamespaces = map[string]uuid.UUID{"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500}

// uuidFunc is uuidv5: the UUID of a name in a namespace, the same each time.
func uuidFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "namespace", Type: cty.String}, {Name: "name", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			space, ok := uuidNamespaces[args[0].AsString()]
			if !ok {
				var err error
				if space, err = uuid.Parse(args[0].AsString()); err != nil {
					return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "a namespace is dns, url, oid, x500 or a UUID")
				}
			}
			return cty.StringVal(uuid.NewSHA1(space, []byte(args[1].AsString())).String()), nil
		},
	})
}

// semverFunc is semvercmp: whether a version satisfies a constraint.
func semverFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "version", Type: cty.String}, {Name: "constraint", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := version.NewSemver(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgErrorf(0, "%q is no version such as 1.2.3 or v1.2.3-rc.1", args[0].AsString())
			}
			c, err := version.NewConstraint(args[1].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgErrorf(1, "%q is no constraint such as \">= 1.2, < 2\" or \"~> 1.2\"", args[1].AsString())
			}
			return cty.BoolVal(c.Check(v)), nil
		},
	})
}
