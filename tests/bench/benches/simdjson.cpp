// simdjson beside papyra: reads the log of argv[1] once, then for each line on standard input parses all of it into its
// DOM on this thread, and answers with nanoseconds, documents and 1 when it came to the end.
#include <simdjson.h>

#include <chrono>
#include <cstdio>

int main(int, char **argv) {
    simdjson::padded_string log;
    if (simdjson::padded_string::load(argv[1]).get(log)) return 1;
    simdjson::dom::parser parser;
#ifdef SIMDJSON_THREADS_ENABLED
    parser.threaded = false;
#endif
    std::printf("%s\n", simdjson::get_active_implementation()->name().c_str());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
        auto begun = std::chrono::steady_clock::now();
        long documents = 0;
        int whole = 0;
        simdjson::dom::document_stream stream;
        if (!parser.parse_many(log, 1 << 20).get(stream)) {
            whole = 1;
            for (auto document : stream) {
                if (document.error()) {
                    whole = 0;
                    break;
                }
                documents++;
            }
        }
        long long took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begun).count();
        std::printf("%lld %ld %d\n", took, documents, whole);
        std::fflush(stdout);
    }
}
