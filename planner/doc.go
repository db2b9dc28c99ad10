// Package planner says what has to change in a layout so that it holds what a
// spec describes. It writes nothing.
//
// # Nouns
//
// A Graph holds the objects of a spec as Steps, in build order; a config that
// manifests with different layers share is one Step for each of them. Refresh
// observes the layout, the staging state and the sources: what it saw is a Prior. Diff
// compares a Graph with a Prior and makes a Plan; New is all three. A Plan is a plain
// value that can be saved, shown, reviewed and applied later, verbatim, or refused as
// stale: a Change for each object, a TagChange for each entry of index.json, the Drift,
// and the Reasons of all.
//
// # Which situation gives which action
//
// A step is compared with the object that the last apply recorded under its key in the
// staging state. Its fingerprint covers all that decides its blob.
//
//	in the spec  recorded  found                                        action    reason
//	yes          no        –                                            create    new
//	yes          yes       equal fingerprint and values, intact blob    no-op     –
//	yes          yes       files of a layer differ                      update    files
//	yes          yes       values differ                                update    fields
//	yes          yes       an object that it is built from changes      update    cause
//	yes          yes       an expression is known after apply           update    unknown
//	yes          yes       the rule that makes its bytes is another     update    encoding
//	yes          yes       its blob is missing or torn                  update    drift
//	yes          yes       Options.Replace names it                     replace   requested
//	no           yes       –                                            delete    gone
//	any          yes       Options.Destroy                              delete    requested
//	any          any       Options.Targets leave it out                 none      counted in Plan.LeftOut
//
// Change.Write says whether the blob is built: not where values change that stand in
// descriptors or history alone, and not where an intact blob of the same kind and
// fingerprint is there already.
//
// An entry of index.json is compared with the one that the last apply put there. One
// without a ref name is found by its digest.
//
//	wanted  owner       found in index.json                   action
//	yes     any         none                                  create, with drift where the last apply made one
//	yes     this spec   the digest that comes out             no-op; update where its descriptor changes
//	yes     this spec   another digest                        update, with drift where somebody else moved it
//	yes     none        any digest                            update, Adopted: refused for another digest without Options.Adopt
//	yes     other spec  any digest                            an error with the place of the object
//	yes     any         two entries of the ref name           an error with the place of the object
//	no      this spec   what the last apply put there         delete
//	no      this spec   another digest                        none: it is somebody else's now, and drift
package planner
