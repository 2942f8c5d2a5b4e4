/* Until everybody includes conf.h. */
#include "nsm/api/spec/conf.h"
#define spec_read conf_read
#define spec_find_key conf_find_key
#define spec_dialect_text conf_dialect_text
#define spec_subject_text conf_subject_text
