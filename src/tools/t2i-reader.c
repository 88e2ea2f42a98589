/* t2i-reader - opens dataset files for the programs and the library, which start it. */
#include "dataset/reader_server.h"

int main(int argc, char **argv)
{
    return t2i_reader_server_run(argc, argv);
}
