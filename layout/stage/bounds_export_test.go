package stage

// The bounds of the stat cache.
const (
	CacheLimit  = cacheLimit
	FolderLimit = folderLimit
	NameLimit   = nameLimit
)
