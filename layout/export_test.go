package layout

import "github.com/layform/layform/layout/jsondoc"

// ParseIndex reads an index for tests.
func ParseIndex(data []byte) (*Index, error) { return parseIndex(data, jsondoc.Limits{}) }
