package imagespec

import (
	"errors"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxSeconds is the last second of the year 9999 since 1970, the last that
// RFC 3339 can write.
const MaxSeconds = 253402300799

var moment = Pattern(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$`)

// ParseTime reads a time as layouts hold it: RFC 3339, and nothing else.
func ParseTime(s string) (time.Time, error) {
	if !moment().MatchString(s) {
		return time.Time{}, errors.New("is no RFC 3339 time such as 2026-01-31T12:00:00Z")
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	if err != nil {
		return time.Time{}, errors.New("is no RFC 3339 time: a number in it is out of range")
	}
	return t, nil
}

// ParseMoment reads a time as specs write it: RFC 3339, or a date alone such as
// 2026-01-31, which is midnight UTC. What is written into layouts is RFC 3339.
func ParseMoment(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := ParseTime(s)
	if err != nil {
		return t, errors.New("is neither an RFC 3339 time such as 2026-01-31T12:00:00Z nor a date such as 2026-01-31")
	}
	return t, nil
}

// CheckAnnotation checks one annotation of a layout. Keys are not empty, and
// values of the keys that the image spec defines have their form.
func CheckAnnotation(key, value string) error {
	switch key {
	case "":
		return errors.New("has an empty key")
	case ocispec.AnnotationCreated:
		_, err := ParseTime(value)
		return err
	}
	return nil
}

// WriteAnnotation is the value of an annotation as a layout holds it, made from
// what a spec says: dates become RFC 3339 times, anything else stays. The error
// is that of CheckAnnotation.
func WriteAnnotation(key, value string) (string, error) {
	if key == ocispec.AnnotationCreated {
		t, err := ParseMoment(value)
		if err != nil {
			return "", err
		}
		if _, err := ParseTime(value); err != nil {
			return t.UTC().Format(time.RFC3339), nil
		}
	}
	return value, CheckAnnotation(key, value)
}
