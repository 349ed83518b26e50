/* The tables that are large and, but for a few pages, never touched. They are linked last, so that the small variables
 * of all other files share pages: a program's first block costs it three faults less. */
#include "metadata/map.h"
#include "metadata/metadata.h"

acre_map_entry *_Atomic acre_map_root[ACRE_MAP_ROOT_ENTRIES];

/* A small program's records fit here, which saves it a mapping. */
char acre_metadata_first[ACRE_METADATA_FIRST_BYTES] __attribute__((aligned(4096)));
