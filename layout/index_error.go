package layout

import "fmt"

// IndexError says that there is an index.json that cannot be understood. Nothing was
// changed.
type IndexError struct {
	// Name is the layout: its directory, or the archive that holds it.
	Name string
	Err  error
}

// Error names the layout and says what is wrong.
func (e *IndexError) Error() string {
	return fmt.Sprintf("index.json of %s cannot be understood, and nothing was changed: %v", e.Name, e.Err)
}

// Unwrap returns what is wrong.
func (e *IndexError) Unwrap() error { return e.Err }
