// Package registry gives OCI Image Layouts as the repositories of a registry, without a
// server: reads, pushes, uploads, mounts, tags, referrers and deletes, with the rules of
// the distribution spec.
//
// # Nouns
//
// A Registry is a layout that many repositories share, or with Options.PerRepository a
// folder in which each repository is a layout of its own. A Repository is one of them,
// and an oras.GraphTarget. A reference is a tag or a digest. An Upload is a blob that
// comes in several parts. A Source is a repository of another registry, from which a
// cached one pulls what it lacks.
//
// # Names
//
// Entries of index.json belong to repositories by their ref names:
//
//	REPO:TAG        a tag of a repository
//	REPO@DIGEST     a manifest without a tag
//	TAG             a tag of Options.DefaultRepo, or of the layout's only repository
//	none            a manifest of the same repository; with a subject it belongs to each
//	                repository that has the subject
//
// Other entries belong to none, and are never touched. What an index names belongs to the
// repository of the index. A tag that moves or is deleted leaves its manifest behind, as
// REPO@DIGEST: who pulls by a digest is not disturbed.
//
// # Guarantees
//
//   - A repository has the blobs that its manifests lead to, and those that were pushed
//     or mounted to it a while ago (a layout.Store.Lease): nothing else of the layout can
//     be read through it, or named by its manifests, whoever knows the digest. Two
//     exceptions: Options.Sparse, and Source, which let manifests name what was not pushed.
//   - All tags of one push are set in one swap of index.json, under the lock of the layout:
//     writers of other processes, layform apply among them, lose nothing. A Condition is
//     looked at under the lock.
//   - index.json is read again when it has changed, and not when it has not: what another
//     process wrote shows with the next call.
//   - Whoever is killed leaves a valid layout and an upload that can go on. What was
//     uploaded and not named by a manifest within layout.PendingAge goes with the next
//     Registry.Expire or layout.Store.GC.
//   - What is read was verified: a blob with other content is a *layout.BlobError.
//   - No name, tag, digest or id leads to a file outside of the layout.
//
// # Counterparts
//
// What docker/oci's package ocilayout offers is here:
//
//	New                            Open
//	Options.DefaultRepo            Options.DefaultRepo
//	NewPerRepository               Open
//	PerRepoOptions                 Options.PerRepository
//	FindLayout                     ref.FindLayout
//	Registry.DeleteBlob            Repository.DeleteBlob
//	Registry.DeleteManifest        Repository.DeleteManifest
//	Registry.DeleteTag             Repository.DeleteTag
//	Registry.GetBlob               Repository.Fetch
//	Registry.GetBlobRange          Repository.OpenBlob
//	Registry.GetManifest           Repository.ReadManifest
//	Registry.GetTag                Repository.ReadManifest
//	Registry.MountBlob             Repository.Mount
//	Registry.PushBlob              Repository.Push
//	Registry.PushBlobChunked       Repository.StartUpload
//	Registry.PushBlobChunkedResume Repository.ResumeUpload
//	Registry.PushManifest          Repository.PushManifest
//	Registry.Referrers             Repository.Referrers
//	Registry.Repositories          Registry.Repositories
//	Registry.ResolveBlob           Repository.ResolveBlob
//	Registry.ResolveManifest       Repository.Resolve
//	Registry.ResolveTag            Repository.Resolve
//	Registry.Tags                  Repository.Tags
package registry
