package eval

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/unicode/norm"

	"github.com/layform/layform/layout/imagespec"
)

// exactText is the string of bytes that come from a file or an encoding. Strings
// of the language are UTF-8 in normal form C; bytes that are not come out as an
// error, never as other bytes.
func exactText(s, instead string) (cty.Value, error) {
	switch {
	case !utf8.ValidString(s):
		return cty.NilVal, fmt.Errorf("this is not UTF-8 text; %s", instead)
	case !norm.NFC.IsNormalString(s):
		return cty.NilVal, fmt.Errorf("a string would change it: it is text, but not in Unicode normal form C (a letter and its accent are two characters, say); %s", instead)
	}
	return cty.StringVal(s), nil
}

// decodedText makes a function of one string that decodes it to text.
func decodedText(decode func(string) (string, error), instead string) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := decode(args[0].AsString())
			v := cty.UnknownVal(cty.String)
			if err == nil {
				v, err = exactText(text, instead)
			}
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

const bytesElsewhere = "use source or archive for bytes that are no text"

func base64DecodeFunc() function.Function { return decodedText(decodeBase64, bytesElsewhere) }

func decodeBase64(s string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", errors.New("this is not base64")
	}
	return string(raw), nil
}

// gzipLevel is the level of base64gzip. Together with the compressor it decides
// bytes that stand in layers, as the encoding version of layers does: a change of
// either changes digests of images that did not change otherwise.
const gzipLevel = 6

// base64Gzip compresses a text to a gzip member without name and time.
func base64Gzip(s string) (string, error) {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzipLevel)
	if err != nil {
		return "", err
	}
	w.ModTime, w.OS = time.Unix(0, 0), 255 // neither is known
	if _, err := io.WriteString(w, s); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(compressed.Bytes()), nil
}

// base64Gunzip decompresses at most the size of a value.
func base64Gunzip(s string) (string, error) {
	raw, err := decodeBase64(s)
	if err != nil {
		return "", err
	}
	r, err := gzip.NewReader(strings.NewReader(raw))
	if err != nil {
		return "", errors.New("this is not gzip")
	}
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(r, maxValue+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("this is not a whole gzip stream: %w", err)
	case n > maxValue:
		return "", fmt.Errorf("it unpacks to more than %d MiB", maxValue>>20)
	}
	return text.String(), nil
}

// textEncodeFunc is textencodebase64.
func textEncodeFunc() function.Function {
	return inEncoding("string", func(text string, e encoding.Encoding) (cty.Value, error) {
		raw, err := e.NewEncoder().String(text)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "the text has characters that this encoding has not")
		}
		return cty.StringVal(base64Encode(raw)), nil
	})
}

// textDecodeFunc is textdecodebase64.
func textDecodeFunc() function.Function {
	return inEncoding("source", func(source string, e encoding.Encoding) (cty.Value, error) {
		raw, err := decodeBase64(source)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		text, err := e.NewDecoder().String(raw)
		// What is no text in the encoding is decoded to U+FFFD without an error.
		if again, wrong := e.NewEncoder().String(text); err != nil || wrong != nil || again != raw && strings.ContainsRune(text, utf8.RuneError) {
			return cty.NilVal, function.NewArgErrorf(0, "the bytes are no text in this encoding")
		}
		v, err := exactText(text, bytesElsewhere)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return v, nil
	})
}

// inEncoding makes a function of a string and the IANA name of an encoding.
func inEncoding(first string, f func(string, encoding.Encoding) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: first, Type: cty.String}, {Name: "encoding_name", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			e, err := ianaindex.IANA.Encoding(args[1].AsString())
			if err != nil || e == nil {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "%q is no encoding that is supported; IANA's names are, such as UTF-16LE and ISO-8859-1", args[1].AsString())
			}
			v, err := f(args[0].AsString(), e)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return v, nil
		},
	})
}

// changedByJSON finds a string of a JSON text that would come out changed: its
// escapes spell characters that are not in normal form C.
func changedByJSON(s string) (string, bool) {
	if !strings.Contains(s, `\u`) {
		return "", false // the text is a string, and in normal form itself
	}
	for d := json.NewDecoder(strings.NewReader(s)); ; {
		t, err := d.Token()
		if err != nil {
			return "", false // decoding says what is wrong
		}
		if text, ok := t.(string); ok && !norm.NFC.IsNormalString(text) {
			return strconv.QuoteToASCII(text), true
		}
	}
}

var yamlEscape = imagespec.Pattern(`\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})`)

// changedByYAML finds an escape of a YAML text that may join with what is before
// it, or be another character in normal form C.
func changedByYAML(s string) (string, bool) {
	for _, escape := range yamlEscape().FindAllString(s, -1) {
		n, err := strconv.ParseUint(escape[2:], 16, 32)
		if r := string(rune(n)); err == nil && (!norm.NFC.IsNormalString(r) || !norm.NFC.PropertiesString(r).BoundaryBefore()) {
			return escape, true
		}
	}
	return "", false
}
