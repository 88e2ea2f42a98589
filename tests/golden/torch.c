/* Files of PyTorch (tests/golden/torch/, made by make.py there, and those of the tutorial's run)
 * are read as PyTorch reads them; damaged anywhere they are refused, or give the same. */
#include "test.h"

#include <math.h>

#include "formats/torchfile_out.h"
#include "py_print.h"
#include "base/fs.h"
#include "formats/tensors.h"
#include "formats/torchfile.h"

#define SMALL "tests/golden/torch/"
#define SEED  "tests/golden/seed/"

static t2i_error err;

static float *numbers(t2i_tensors *file, const t2i_tensor_info *info)
{
    float *out = t2i_alloc((size_t)info->count, sizeof *out);
    CU_ASSERT_PTR_NOT_NULL(out);
    if (out != NULL) OK(t2i_tensors_floats(file, info, out, &err));
    return out;
}

/* The same shape and the same bits. */
static void compare(t2i_tensors *a, const t2i_tensor_info *x, t2i_tensors *b,
                    const t2i_tensor_info *y)
{
    CU_ASSERT(y != NULL && x->dims == y->dims && x->count == y->count);
    if (y == NULL || x->dims != y->dims || x->count != y->count) {
        fprintf(stderr, "%s: not there, or of another shape\n", x->name);
        return;
    }
    for (size_t d = 0; d < x->dims; d++) CU_ASSERT_EQUAL(x->dim[d], y->dim[d]);
    float *left = numbers(a, x), *right = numbers(b, y);
    if (left != NULL && right != NULL) {
        int same = memcmp(left, right, (size_t)x->count * sizeof *left) == 0;
        if (!same) fprintf(stderr, "%s: other numbers\n", x->name);
        CU_ASSERT(same);
    }
    t2i_free(left);
    t2i_free(right);
}

/* Every tensor of floats of a torch file against a safetensors file of the same names. */
static void compare_files(const char *torch, const char *st, size_t others)
{
    t2i_tensors *a = NULL, *b = NULL;
    OK(t2i_tensors_open(&a, torch, &err));
    OK(t2i_tensors_open(&b, st, &err));
    if (a != NULL && b != NULL) {
        CU_ASSERT_EQUAL(t2i_tensors_count(a), t2i_tensors_count(b) + others);
        for (size_t i = 0; i < t2i_tensors_count(b); i++) {
            const t2i_tensor_info *info = t2i_tensors_at(b, i);
            compare(b, info, a, t2i_tensors_find(a, info->name));
        }
    }
    t2i_tensors_close(a);
    t2i_tensors_close(b);
}

static void reads_the_numbers(void)
{
    compare_files(SMALL "small.pt", SMALL "small.safetensors", 7);
    compare_files(SMALL "small_stream.pth", SMALL "small.safetensors", 7);
    compare_files(SMALL "small_tar.pth", SMALL "tar.safetensors", 1);
}

static void reads_the_tree(void)
{
    static const char begin[] =
        "{'config':{'vocab':42,'rate':0.00014999999999999999,'none':None,'yes':True,'no':False,"
        "'big':1099511627776,'least':-9223372036854775808,'negative':-70000,"
        "'text':'Gr\xc3\xbcn, \xe7\xbb\xbf\xe8\x89\xb2\n'},"
        "'int_to_char':{0:'a',255:'b',256:'c',65536:'d',-1:'<PAD>'},"
        "'nested':[(),(1),(1,2),(1,2,3),(1,2,3,4),[],{},[[[None]]]],"
        "'f64':F64 5*1,'f16':F16 2*3 3*1,'bf16':BF16 7*1,'i64':I64 3*1,'i32':I32 3*1,"
        "'i16':I16 3*1,'i8':I8 3*1,'u8':U8 3*1,'bool':BOOL 2*1,'base':F32 6*4 4*1,"
        "'transposed':F32 4*1 6*4,'part':F32 2*8 2*1,'row':F32 4*1,'number':F32,"
        "'repeated':F32 3*0 4*0,'empty':F32 0*3 3*1,'scalar':F32,'parameter':F32 4*1,"
        "'module':O{'weight':F32 2*3 3*1,'bias':F32 2*1},";
    static const char *const path[] = {SMALL "small.pt", SMALL "small_stream.pth"};
    t2i_text text[2] = {{0}, {0}};
    for (size_t i = 0; i < 2; i++) {
        t2i_torchfile *file = NULL;
        OK(t2i_torchfile_open(&file, path[i], &err));
        CU_ASSERT(file != NULL && py_print(&text[i], t2i_torchfile_root(file)));
        t2i_torchfile_close(file);
    }
    if (text[0].data != NULL && text[1].data != NULL) {
        CU_ASSERT_NSTRING_EQUAL(text[0].data, begin, sizeof begin - 1);
        CU_ASSERT_STRING_EQUAL(text[0].data, text[1].data);
    }
    t2i_text_free(&text[0]);
    t2i_text_free(&text[1]);
}

/* ---- the tutorial's files against the same weights as safetensors ---- */

/* The tutorial's name of one of our tensors. */
static void tutorial_name(char *out, size_t room, const char *name)
{
    static const struct {
        const char *ours, *theirs;
    } once[] = {{"embedding.", "token_embedding_table."},
                {"final_ln.", "final_layer_norm."},
                {"head.", "text_to_image_feature_layer."}},
      layer[] = {{"ln1.", "layer_norms_1"},      {"qkv.", "mha_qkv_linears"},
                 {"out.", "mha_output_linears"}, {"ln2.", "layer_norms_2"},
                 {"ffn1.", "ffn_linear_1"},      {"ffn2.", "ffn_linear_2"}};
    for (size_t i = 0; i < 3; i++)
        if (strncmp(name, once[i].ours, strlen(once[i].ours)) == 0)
            snprintf(out, room, "%s%s", once[i].theirs, name + strlen(once[i].ours));
    for (size_t i = 0; i < 6; i++)
        if (strncmp(name, "layers.", 7) == 0 &&
            strncmp(name + 9, layer[i].ours, strlen(layer[i].ours)) == 0)
            snprintf(out, room, "%s.%c.%s", layer[i].theirs, name[7],
                     name + 9 + strlen(layer[i].ours));
}

/* Tensors of `st` whose names begin with prefix must be in the torch file; how many are. */
static size_t compare_weights(const char *torch, const char *st, const char *prefix)
{
    t2i_tensors *a = NULL, *b = NULL;
    size_t compared = 0;
    OK(t2i_tensors_open(&a, torch, &err));
    OK(t2i_tensors_open(&b, st, &err));
    for (size_t i = 0; a != NULL && b != NULL && i < t2i_tensors_count(b); i++) {
        char name[128] = "";
        const t2i_tensor_info *info = t2i_tensors_at(b, i);
        if (strncmp(info->name, prefix, strlen(prefix)) != 0) continue;
        tutorial_name(name, sizeof name, info->name + strlen(prefix));
        const t2i_tensor_info *found = t2i_tensors_find(a, name);
        if (found == NULL && strncmp(name, "text_to_image", 13) == 0) continue;
        compare(b, info, a, found);
        compared++;
    }
    t2i_tensors_close(a);
    t2i_tensors_close(b);
    return compared;
}

static void reads_the_tutorials_files(void)
{
    CU_ASSERT_EQUAL(compare_weights(SEED "multimodal_model.pt", SEED "initial.safetensors", ""),
                    36);
    CU_ASSERT_EQUAL(
        compare_weights(SEED "text_to_image_model.pt", SEED "final.safetensors", "final."), 38);
    t2i_torchfile *file = NULL;
    OK(t2i_torchfile_open(&file, SEED "text_to_image_model.pt", &err));
    if (file == NULL) return;
    const t2i_py *root = t2i_torchfile_root(file);
    const t2i_py *config = t2i_py_get(root, "config"), *d = t2i_py_get(config, "d_model");
    CU_ASSERT(config != NULL && config->size == 7 && d != NULL && d->integer == 64);
    const t2i_py *names = t2i_py_get(t2i_py_get(root, "tokenizer"), "int_to_char");
    CU_ASSERT(names != NULL && names->size == 42 && names->key[36]->integer == 36);
    if (names != NULL && names->size == 42) CU_ASSERT_STRING_EQUAL(names->item[36]->text, "<IMG>");
    const t2i_py *list = t2i_py_get(root, "ffn_linear_1");
    CU_ASSERT(list != NULL && list->kind == T2I_PY_LIST && list->size == 3);
    if (list != NULL) CU_ASSERT(list->item[0]->ordered);
    t2i_torchfile_close(file);
}

/* ---- damage ---- */

static int add_floats(t2i_text *out, t2i_torchfile *file, const t2i_py *v)
{
    float number[64];
    int fine = 1;
    if (v->kind == T2I_PY_TENSOR && strchr(v->tensor.dtype, 'F') != NULL && v->tensor.count <= 64)
        return t2i_torchfile_floats(file, &v->tensor, "x", number, NULL) == T2I_OK &&
               t2i_text_add(out, number, (size_t)v->tensor.count * sizeof *number, NULL) == T2I_OK;
    if (v->kind == T2I_PY_DICT || v->kind == T2I_PY_LIST || v->kind == T2I_PY_TUPLE)
        for (size_t i = 0; i < v->size && fine; i++) fine = add_floats(out, file, v->item[i]);
    return fine;
}

/* All that a file says; 0 when it, or a tensor of it, is refused. */
static int contents(const void *bytes, size_t size, t2i_text *out)
{
    t2i_torchfile *file;
    out->size = 0;
    if (t2i_torchfile_parse(&file, bytes, size, "FILE", NULL) != T2I_OK) return 0;
    int fine =
        py_print(out, t2i_torchfile_root(file)) && add_floats(out, file, t2i_torchfile_root(file));
    t2i_torchfile_close(file);
    return fine;
}

/* Cut at every byte, then with a bit of each byte changed. `sure`: the kind has checksums. */
static void damage(const char *path, int sure)
{
    t2i_text text = {0}, whole = {0}, now = {0};
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    unsigned char *copy = malloc(text.size + 1);
    CU_ASSERT(copy != NULL && contents(text.data, text.size, &whole));
    size_t accepted = 0, others = 0;
    for (size_t size = 0; size < text.size && copy != NULL; size++) {
        unsigned char *cut = malloc(size + 1); /* so that a sanitizer sees a byte too many */
        if (cut == NULL) break;
        memcpy(cut, text.data, size);
        if (contents(cut, size, &now)) {
            accepted++;
            others += now.size != whole.size || memcmp(now.data, whole.data, now.size) != 0;
        }
        free(cut);
    }
    CU_ASSERT_EQUAL(others, 0);
    if (sure && accepted > 0) fprintf(stderr, "%s: %zu cut files are read\n", path, accepted);
    CU_ASSERT(!sure || accepted == 0);
    for (size_t at = 0; at < text.size && copy != NULL; at++) {
        memcpy(copy, text.data, text.size);
        copy[at] = (unsigned char)(copy[at] ^ (1u << at % 8));
        if (!contents(copy, text.size, &now)) continue;
        int same = now.size == whole.size && memcmp(now.data, whole.data, now.size) == 0;
        if (sure && !same) fprintf(stderr, "%s: byte %zu changes what is read\n", path, at);
        CU_ASSERT(!sure || same);
    }
    free(copy);
    t2i_text_free(&text);
    t2i_text_free(&whole);
    t2i_text_free(&now);
}

static void survives_damage(void)
{
    damage(SMALL "small.pt", 1);
    damage(SMALL "small_stream.pth", 0);
    damage(SMALL "small_tar.pth", 0);
}

/* ---- for torch_roundtrip.py: reads a file and writes its tree again ---- */

/* The same value in another arena; tensors as float32, those of whole numbers as None. */
static t2i_py *copy_tree(t2i_py_arena *a, t2i_torchfile *file, const t2i_py *v)
{
    t2i_py *out = t2i_py_value(a, v->kind);
    if (out == NULL) return NULL;
    if (v->kind == T2I_PY_TENSOR) {
        float *number = (float *)(void *)t2i_py_room(a, (size_t)v->tensor.count * sizeof *number);
        if (number == NULL || t2i_torchfile_floats(file, &v->tensor, "x", number, &err) != T2I_OK)
            return t2i_py_none(a);
        return t2i_py_floats(a, v->tensor.dims, v->tensor.dim, number);
    }
    *out = *v;
    if (v->kind < T2I_PY_LIST) return out;
    out->size = out->room = 0;
    out->item = out->key = NULL;
    for (size_t i = 0; i < v->size; i++)
        if (v->kind == T2I_PY_DICT)
            t2i_py_set_pair(a, out, copy_tree(a, file, v->key[i]), copy_tree(a, file, v->item[i]));
        else
            t2i_py_append(a, out, copy_tree(a, file, v->item[i]));
    return out;
}

static int copy_file(const char *from, const char *to)
{
    t2i_torchfile *file = NULL;
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_status status = t2i_torchfile_open(&file, from, &err);
    if (status == T2I_OK)
        status = t2i_torchfile_out_save(to, arena, copy_tree(arena, file, t2i_torchfile_root(file)),
                                        &err);
    if (status != T2I_OK) fprintf(stderr, "%s\n", err.text);
    t2i_torchfile_close(file);
    t2i_py_arena_free(arena);
    return (int)status;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "copy") == 0) return copy_file(argv[2], argv[3]);
    static const t2i_test tests[] = {
        {"reads the numbers of all three kinds", reads_the_numbers},
        {"reads the tree", reads_the_tree},
        {"reads the tutorial's files", reads_the_tutorials_files},
        {"survives damage anywhere", survives_damage},
    };
    return t2i_test_main("torch", tests, sizeof tests / sizeof *tests);
}
