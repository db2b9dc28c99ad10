package eval

import (
	"crypto/md5"  // #nosec: offered to users under its name, not used for integrity
	"crypto/sha1" // #nosec: likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// textFunc makes a function of one string and a string result.
func textFunc(f func(string) string) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}

// testFunc makes a function that tests one string with another.
func testFunc(second string, f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}, {Name: second, Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

func startsWith(s, prefix string) bool { return strings.HasPrefix(s, prefix) }
func endsWith(s, suffix string) bool   { return strings.HasSuffix(s, suffix) }
func containsText(s, part string) bool { return strings.Contains(s, part) }

func basename(s string) string { return path.Base(s) }
func dirname(s string) string  { return path.Dir(s) }

func hexMD5(s string) string    { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
func hexSHA1(s string) string   { sum := sha1.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
func hexSHA256(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
func hexSHA512(s string) string { sum := sha512.Sum512([]byte(s)); return hex.EncodeToString(sum[:]) }

func base64Encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func base64SHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func base64SHA512(s string) string {
	sum := sha512.Sum512([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func urlEncode(s string) string { return url.QueryEscape(s) }

func urlDecodeFunc() function.Function {
	return decodedText(func(s string) (string, error) {
		text, err := url.QueryUnescape(s)
		if err != nil {
			return "", errors.New("this is not a URL-encoded string")
		}
		return text, nil
	}, bytesElsewhere)
}

// checkedText makes a function of one string that may refuse it.
func checkedText(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// replaceFunc is replace: a substring between slashes is a regular expression.
func replaceFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String},
		},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, find, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
			if len(find) > 1 && strings.HasPrefix(find, "/") && strings.HasSuffix(find, "/") {
				re, err := regexp.Compile(find[1 : len(find)-1])
				if err != nil {
					return cty.UnknownVal(cty.String), function.NewArgError(1, err)
				}
				if err := limitGrowth(len(s), len(re.FindAllStringIndex(s, -1)), len(s)+len(with)); err != nil {
					return cty.UnknownVal(cty.String), err
				}
				return cty.StringVal(re.ReplaceAllString(s, with)), nil
			}
			if err := limitGrowth(len(s), strings.Count(s, find), len(with)); err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

func timecmpFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var times [2]time.Time
			for i, arg := range args {
				t, err := time.Parse(time.RFC3339, arg.AsString())
				if err != nil {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(i, "%q is no RFC 3339 time", arg.AsString())
				}
				times[i] = t
			}
			return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
		},
	})
}

// fileTextFunc is file: the text of a file, byte for byte.
func fileTextFunc(r *reader) function.Function {
	return fileFunc(r, "file", func(text string) (cty.Value, error) {
		return exactText(text, "source takes any file, and filebase64 reads it")
	})
}

// fileSumFunc is file followed by a function of its bytes.
func fileSumFunc(r *reader, name string, sum func(string) string) function.Function {
	return fileFunc(r, name, func(text string) (cty.Value, error) { return cty.StringVal(sum(text)), nil })
}

func fileFunc(r *reader, name string, convert func(string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "path", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := r.read(name, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			v, err := convert(text)
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "%q: %w", args[0].AsString(), err)
			}
			return v, nil
		},
	})
}

func fileExistsFunc(r *reader) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			ok, err := r.exists(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgError(0, err)
			}
			return cty.BoolVal(ok), nil
		},
	})
}

func filesetFunc(r *reader) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			names, err := r.fileset(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.UnknownVal(retType), err
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			values := make([]cty.Value, len(names))
			for i, name := range names {
				if values[i], err = exactText(name, "rename the file"); err != nil {
					return cty.UnknownVal(retType), fmt.Errorf("the file name %q: %w", name, err)
				}
			}
			return cty.SetVal(values), nil
		},
	})
}
