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
// the Reasons of all, and the blobs to Sweep. Apply decides nothing beside it.
//
// # Which situation gives which action
//
// A step is compared with the object that the last apply recorded under its key in the
// staging state. Its fingerprint covers all that decides its blob.
//
//	in the spec  recorded  found                                        action    reason
//	yes          no        –                                            create    new
//	yes          no        the blob that it is, or an imported document import    imported
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
//	yes     this spec   another digest, or an edited entry    update, with drift where it was somebody else
//	yes     none        the digest that comes out             import, where the entry says the same; update, Adopted, otherwise
//	yes     none        any other digest                      update, Adopted: an error for another digest without Options.Adopt
//	yes     other spec  any digest                            an error with the place of the object
//	yes     any         two entries of the ref name           an error with the place of the object
//	no      this spec   what the last apply put there         delete
//	no      this spec   another digest                        forget: it is somebody else's now, and drift
//	no      this spec   none                                  forget
//	no      two specs   what the last apply put there         forget: the last one deletes it
//
// A ref name that is known after apply is one entry to create, without a name. Of the
// blobs that the spec put into the layout, those go that no object needs afterwards, no
// entry of index.json that stays reaches, and no other spec has.
package planner
