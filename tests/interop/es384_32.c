/* es384 once more, as compiled where numbers of 64 bits cannot be multiplied. */
#undef __SIZEOF_INT128__
#include "nsm/es384.c"
#include "tests/interop/es384.c"
