// Package repair mends what can be mended of a layout without knowing what it should
// hold: leftovers of dead writers, modes that are in the way, a missing or damaged
// oci-layout, a missing index.json, torn blobs, and what layform remembers beside the
// layout. Whatever else is wrong is for package validate to say.
//
// Guarantees: a dry run tells what a real run does, and writes nothing. Nothing is
// taken away that cannot be made again, unless Options.MoveTorn is set, and then it is
// kept in .layform/torn. A mode changes by no more bits than are in the way, and gives
// nothing to anybody but the owner. A second run finds nothing to mend but what was
// reported as Left.
package repair
