#include "weights/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "tests/weights/file_testing.h"

namespace balmer::weights {
namespace {

using SafetensorsTest = FileTest;

std::string golden(const std::string& name) {
    return std::string(BALMER_TEST_DATA) + "/" + name;
}

TEST_F(SafetensorsTest, WritesWhatItReadsForEveryDType) {
    std::vector<float> a = {1.5F, -2, std::numeric_limits<float>::denorm_min()};
    std::vector<double> b = {1e300, -0.0};
    std::vector<bfloat16> c = {bfloat16(1.0F), bfloat16(-3.0F)};
    std::vector<std::int32_t> d = {-7, 8};
    std::vector<std::int64_t> e = {std::numeric_limits<std::int64_t>::min()};
    std::vector<std::uint8_t> f = {0, 255, 3};
    write_safetensors(path("t"),
                      {{"a", View(a.data(), DType::f32, {3, 1})},
                       {"b", View(b.data(), DType::f64, {2})},
                       {"c", View(c.data(), DType::bf16, {1, 2})},
                       {"d", View(d.data(), DType::i32, {2})},
                       {"e", View(e.data(), DType::i64, {})},
                       {"f", View(f.data(), DType::u8, {3})},
                       {"g", View(nullptr, DType::f32, {2, 0})}},
                      {{"format", "pt"}, {"note", "a \"quoted\"\nline"}});
    const SafetensorsFile file(path("t"));
    EXPECT_EQ(file.read<float>("a"), a);
    EXPECT_EQ(file.read<double>("b"), b);
    EXPECT_EQ(float(file.read<bfloat16>("c")[1]), -3.0F);
    EXPECT_EQ(file.read<std::int32_t>("d"), d);
    EXPECT_EQ(file.read<std::int64_t>("e"), e);
    EXPECT_EQ(file.read<std::uint8_t>("f"), f);
    EXPECT_TRUE(file.read<float>("g").empty());
    EXPECT_EQ(file.info("a").shape, (Shape{3, 1}));
    EXPECT_EQ(file.info("e").shape.rank(), 0);
    EXPECT_EQ(file.metadata().at("note"), "a \"quoted\"\nline");
    EXPECT_TRUE(file.contains("a"));
    EXPECT_FALSE(file.contains("z"));
}

TEST_F(SafetensorsTest, ReadsWhatThePublicLibraryWrote) {
    const SafetensorsFile file(golden("reference.safetensors"));
    EXPECT_EQ(file.tensors().size(), 15U);
    EXPECT_EQ(file.metadata(), (Metadata{{"format", "np"}}));
    EXPECT_EQ(file.read<double>("f64"), (std::vector<double>{1e300, -0.0, 3.141592653589793}));
    EXPECT_EQ(file.info("f32").shape, (Shape{2, 3}));
    EXPECT_EQ(file.read<float>("f32")[5], 5.0F / 7.0F);
    EXPECT_EQ(file.read<std::int64_t>("i64"),
              (std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::int64_t>::max()}));
    EXPECT_EQ(file.read<std::int32_t>("i32"), (std::vector<std::int32_t>{-7, 8}));
    EXPECT_EQ(file.read<std::uint8_t>("u8"), (std::vector<std::uint8_t>{0, 255, 3}));
    EXPECT_EQ(file.read<std::uint8_t>("bool"), (std::vector<std::uint8_t>{1, 0, 1}));
    EXPECT_EQ(file.read<float>("scalar"), std::vector<float>{2.5F});
    EXPECT_EQ(file.read<float>("name with \"quotes\" and \u00e9"), std::vector<float>{1.0F});
    EXPECT_TRUE(file.read<float>("empty").empty());
    std::uint64_t largest = 0;
    file.read_into("u64", &largest, sizeof largest);
    EXPECT_EQ(largest, std::numeric_limits<std::uint64_t>::max());
    std::vector<float> halves(5);
    file.read_as_f32("f16", halves.data());
    EXPECT_EQ(halves, (std::vector<float>{1, 0.0999755859375F, -65504, 0x1p-24F, INFINITY}));
}

TEST_F(SafetensorsTest, WritesTheVeryBytesOfThePublicLibrary) {
    const SafetensorsFile reference(golden("reference.safetensors"));
    std::vector<TensorSpec> specs;
    for (const auto& tensor : reference.tensors()) {
        specs.insert(specs.begin(), {tensor.name, tensor.type, tensor.shape});
    }
    SafetensorsWriter writer(path("copy"), specs, reference.metadata());
    for (const auto& tensor : writer.tensors()) {
        std::vector<char> bytes(tensor.bytes());
        reference.read_into(tensor.name, bytes.data(), bytes.size());
        writer.write(tensor.name, bytes.data(), bytes.size());
    }
    writer.commit();
    EXPECT_EQ(read("copy"), read_text_file(golden("reference.safetensors")));
}

TEST_F(SafetensorsTest, LaysTensorsOutWiderFirstThenByNameAndAligned) {
    std::vector<double> bytes(8);
    write_safetensors(path("t"), {{"u8", View(bytes.data(), DType::u8, {3})},
                                  {"f32 b", View(bytes.data(), DType::f32, {1})},
                                  {"f32 a", View(bytes.data(), DType::f32, {3})},
                                  {"f64", View(bytes.data(), DType::f64, {1})},
                                  {"bf16", View(bytes.data(), DType::bf16, {1})},
                                  {"i64", View(bytes.data(), DType::i64, {1})}});
    const SafetensorsFile file(path("t"));
    std::vector<std::string> names;
    for (const auto& tensor : file.tensors()) {
        names.push_back(tensor.name);
        EXPECT_EQ(tensor.begin % size_of(tensor.type), 0U) << tensor.name;
    }
    EXPECT_EQ(names, (std::vector<std::string>{"i64", "f64", "f32 a", "f32 b", "bf16", "u8"}));
    EXPECT_EQ(file.tensors().front().begin % 8, 0U);
}

TEST_F(SafetensorsTest, GivesTheSameBytesForTheSameInput) {
    std::vector<float> a = {1, 2};
    const NamedView x{"x", View(a.data(), DType::f32, {2})};
    const NamedView y{"y", View(a.data(), DType::f32, {1, 2})};
    write_safetensors(path("1"), {x, y}, {{"b", "2"}, {"a", "1"}});
    write_safetensors(path("2"), {y, x}, {{"a", "1"}, {"b", "2"}});
    EXPECT_EQ(read("1"), read("2"));
}

TEST_F(SafetensorsTest, ConvertsFloatsOnTheWayOutAndIn) {
    std::vector<float> a = {1.0F, 0.1F, -65504.0F, 1e-8F, INFINITY};
    const View view(a.data(), DType::f32, {5});
    write_safetensors(path("t"), {{"f16", view, StoredType::f16},
                                  {"bf16", view, StoredType::bf16},
                                  {"f64", view, StoredType::f64},
                                  {"f32", view}});
    const SafetensorsFile file(path("t"));
    EXPECT_EQ(file.info("f16").type, StoredType::f16);
    const auto read = [&](const char* name) {
        std::vector<float> values(5);
        file.read_as_f32(name, values.data());
        return values;
    };
    EXPECT_EQ(read("f32"), a);
    EXPECT_EQ(read("f64"), a);
    EXPECT_EQ(read("f16"), (std::vector<float>{1.0F, 0.0999755859375F, -65504.0F, 0, INFINITY}));
    EXPECT_EQ(read("bf16"),
              (std::vector<float>{1.0F, 0.10009765625F, -65536.0F, 0x1.58p-27F, INFINITY}));
}

TEST_F(SafetensorsTest, ConvertsTensorsLargerThanItsBuffer) {
    std::vector<float> values(200'001);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 2048);
    const View view(values.data(), DType::f32, {static_cast<std::int64_t>(values.size())});
    write_safetensors(path("t"), {{"a", view, StoredType::f16}});
    std::vector<float> read(values.size());
    SafetensorsFile(path("t")).read_as_f32("a", read.data());
    EXPECT_EQ(read, values);
}

TEST_F(SafetensorsTest, StoresBooleansAndUnsignedIntegersByTheirBits) {
    std::vector<std::uint8_t> mask = {0, 1};
    std::vector<std::int32_t> bits = {-1};
    write_safetensors(path("t"), {{"m", View(mask.data(), DType::u8, {2}), StoredType::boolean},
                                  {"n", View(bits.data(), DType::i32, {1}), StoredType::u32}});
    const SafetensorsFile file(path("t"));
    EXPECT_EQ(to_string(file.info("m")), "BOOL [2]");
    EXPECT_EQ(to_string(file.info("n")), "U32 [1]");
    EXPECT_EQ(file.read<std::uint8_t>("m"), mask);
    EXPECT_EQ(message_of<DTypeError>([&] { file.read<std::int32_t>("n"); }),
              path("t") + ": tensor 'n' is U32, asked for as i32");
}

TEST_F(SafetensorsTest, RefusesToWriteWhatMakesNoFile) {
    std::vector<float> a(6);
    const View view(a.data(), DType::f32, {2, 3});
    View transposed = view;
    transposed.shape = {3, 2};
    transposed.strides = {1, 3};
    View on_device = view;
    on_device.device = {DeviceType::simt, 0};
    const auto writing = [&](const std::vector<NamedView>& tensors) {
        return [&, tensors] { write_safetensors(path("t"), tensors); };
    };
    EXPECT_EQ(message_of<ShapeError>(writing({{"a", transposed}})),
              "write_safetensors: 'a' [3, 2] must be contiguous, its strides are [1, 3]");
    EXPECT_EQ(message_of<DeviceError>(writing({{"a", on_device}})),
              "write_safetensors: tensor 'a' is on simt, expected cpu");
    EXPECT_EQ(message_of<DTypeError>(writing({{"a", view, StoredType::i32}})),
              "write_safetensors: tensor 'a' is f32 and cannot be stored as I32");
    EXPECT_EQ(message_of<UsageError>(writing({{"a", view}, {"a", view}})),
              "write_safetensors: two tensors are called 'a'");
    EXPECT_EQ(message_of<UsageError>(writing({{"__metadata__", view}})),
              "write_safetensors: no tensor can be called '__metadata__'");
    EXPECT_EQ(message_of<UsageError>(writing({{"\xff", view}})),
              "write_safetensors: a tensor name or metadata entry is not UTF-8");
    EXPECT_TRUE(folder_.names().empty());
}

TEST_F(SafetensorsTest, WritesTensorsThatComeInPieces) {
    SafetensorsWriter writer(path("t"), {{"small", StoredType::u8, {3}},
                                         {"empty", StoredType::f32, {0, 4}},
                                         {"large", StoredType::f32, {2, 2}}});
    const std::vector<float> rows = {1, 2, 3, 4};
    writer.write("large", rows.data(), 8);
    writer.write("large", rows.data() + 2, 8);
    EXPECT_EQ(message_of<UsageError>([&] { writer.write("large", rows.data(), 4); }),
              "SafetensorsWriter: bytes for tensor 'large' while 'small' is expected");
    EXPECT_EQ(message_of<UsageError>([&] { writer.write("small", "abcd", 4); }),
              "SafetensorsWriter: 4 bytes for tensor 'small', which has room for 3");
    writer.write("small", "ab", 2);
    EXPECT_EQ(message_of<UsageError>([&] { writer.commit(); }),
              "SafetensorsWriter: 1 bytes of tensor 'small' are missing");
    writer.write("small", "c", 1);
    EXPECT_FALSE(std::filesystem::exists(path("t")));
    writer.commit();
    const SafetensorsFile file(path("t"));
    EXPECT_EQ(file.read<float>("large"), rows);
    EXPECT_EQ(file.read<std::uint8_t>("small"), (std::vector<std::uint8_t>{'a', 'b', 'c'}));
    EXPECT_EQ(file.info("empty").shape, (Shape{0, 4}));
}

TEST_F(SafetensorsTest, NamesMissingTensorsWrongSizesAndWrongTypes) {
    std::vector<std::int64_t> a = {1, 2};
    write_safetensors(path("t"), {{"a", View(a.data(), DType::i64, {2})}});
    const SafetensorsFile file(path("t"));
    float value = 0;
    EXPECT_EQ(message_of<FormatError>([&] { file.info("b"); }), path("t") + ": no tensor 'b'");
    EXPECT_EQ(message_of<ShapeError>([&] { file.read_into("a", &value, sizeof value); }),
              path("t") + ": tensor 'a' I64 [2] has 16 bytes, room is given for 4");
    EXPECT_EQ(message_of<FormatError>([&] { file.read_as_f32("a", &value); }),
              path("t") + ": tensor 'a' is I64, expected F32, F64, BF16 or F16");
}

TEST_F(SafetensorsTest, Fault43FileCutWhileOpenIsAnErrorNotACrash) {
    std::vector<float> a(1000, 1.0F);
    write_safetensors(path("t"), {{"a", View(a.data(), DType::f32, {1000})}});
    const SafetensorsFile file(path("t"));
    const TensorInfo info = file.info("a");
    std::filesystem::resize_file(path("t"), info.end - 4);
    EXPECT_EQ(message_of<IoError>([&] { file.read_into("a", a.data(), 4000); }),
              path("t") + ": file was cut while being read: tensor 'a' needs bytes " +
                  std::to_string(info.begin) + " to " + std::to_string(info.end) +
                  ", the file ends at " + std::to_string(info.end - 4));
}

TEST_F(SafetensorsTest, Fault43ReadsAfterTheFileWasReplacedSeeTheOldContent) {
    std::vector<float> a = {1, 2};
    const View view(a.data(), DType::f32, {2});
    write_safetensors(path("t"), {{"a", view}});
    const SafetensorsFile file(path("t"));
    a = {3, 4};
    write_safetensors(path("t"), {{"a", view}});
    EXPECT_EQ(file.read<float>("a"), (std::vector<float>{1, 2}));
}

TEST_F(SafetensorsTest, Fault33RefusesWhatIsNoRegularFileWithoutBlocking) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    EXPECT_EQ(message_of<IoError>([&] { SafetensorsFile file(path("fifo")); }),
              path("fifo") + ": is not a regular file");
    EXPECT_EQ(message_of<IoError>([&] { SafetensorsFile file(folder_.path()); }),
              folder_.path() + ": is a directory, not a file");
    EXPECT_EQ(message_of<IoError>([&] { SafetensorsFile file(path("none")); }),
              path("none") + ": cannot open: No such file or directory");
}

TEST_F(SafetensorsTest, Fault34RejectsFilesOnDisk) {
    write("empty", "");
    EXPECT_EQ(message_of<FormatError>([&] { SafetensorsFile file(path("empty")); }),
              path("empty") + ": file is empty");
    write("brace", safetensors_bytes("{"));
    EXPECT_EQ(message_of<FormatError>([&] { SafetensorsFile file(path("brace")); }),
              path("brace") + ": header is not JSON (error at byte 2)");
    write("long", safetensors_bytes("{}", "123"));
    EXPECT_EQ(message_of<FormatError>([&] { SafetensorsFile file(path("long")); }),
              path("long") + ": 3 trailing bytes after the last tensor");
}

}  // namespace
}  // namespace balmer::weights
