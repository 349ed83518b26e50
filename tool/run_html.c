/* acre run --html: pages/run.html.in, with the figures and the samples as JSON in it. */
#include "run.h"

#include "look.h"
#include "page.h"

#include <stdlib.h>

bool run_html_write(FILE *stream, const struct run_request *request, const struct run_result *result,
                    struct timeline *timeline) {
    json_t *object = json_object(), *figures = run_json(request, result);
    char *command = run_command_text(request->command);
    json_object_set_new(object, "title", look_json_text(command == NULL ? "?" : command));
    json_object_set_new(object, "run", figures);
    json_object_set_new(object, "timeline", timeline->samples == NULL ? json_null() : timeline_json(timeline));
    free(command);
    bool written = page_write(stream, page_of_run, object);
    json_decref(object);
    return written;
}
