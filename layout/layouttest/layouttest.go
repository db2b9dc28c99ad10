// Package layouttest gives tests the fault seam of layouts: an error, or a kill, in
// the place of any single operation on files. Its names are those that a function in
// layout.Options.Fault needs.
package layouttest

import "github.com/layform/layform/layout/internal/disk"

// Step is one file system operation that a layout.Store is about to do.
type Step = disk.Step

// TornWrite is an error for a fault to return from an OpWrite: half of the bytes are
// written before the write fails.
type TornWrite = disk.TornWrite

// The operations of which tests in other packages than layout's own make faults.
const (
	OpOpen   = disk.OpOpen
	OpWrite  = disk.OpWrite
	OpClone  = disk.OpClone
	OpSync   = disk.OpSync
	OpRename = disk.OpRename
)
