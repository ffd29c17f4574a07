// Every accept and reject of FAULTS 34, 35 and 36, with the exact messages.

#include "weights/safetensors_header.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"

namespace balmer::weights {
namespace {

SafetensorsHeader parse(const std::string& bytes) {
    return parse_safetensors_header("f", bytes, bytes.size());
}

std::string refusal_of_bytes(const std::string& bytes) {
    return message_of<FormatError>([&] { parse(bytes); });
}

std::string refusal(const std::string& header, const std::string& data = "") {
    return refusal_of_bytes(safetensors_bytes(header, data));
}

std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
    return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                       offsets);
}

std::string object(const std::vector<std::string>& entries) {
    return fmt::format("{{{}}}", fmt::join(entries, ","));
}

std::string one_tensor(const std::string& shape, const std::string& offsets,
                       const std::string& dtype = "F32") {
    return object({entry("a", shape, offsets, dtype)});
}

std::string length_field(std::uint64_t length) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes;
}

TEST(SafetensorsHeader, GivesNameTypeShapeAndAbsoluteSpan) {
    const std::string header =
        object({entry("b", "[2]", "[0,4]", "BF16"), entry("a", "[1,3]", "[4,16]")});
    const SafetensorsHeader parsed = parse(safetensors_bytes(header, std::string(16, 'x')));
    ASSERT_EQ(parsed.tensors().size(), 2U);
    const TensorInfo* a = parsed.find("a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(to_string(*a), "F32 [1, 3]");
    EXPECT_EQ(a->begin, 8 + header.size() + 4);
    EXPECT_EQ(a->bytes(), 12U);
    EXPECT_EQ(to_string(*parsed.find("b")), "BF16 [2]");
    EXPECT_EQ(parsed.tensors()[0].name, "b");
    EXPECT_EQ(parsed.find("c"), nullptr);
}

TEST(SafetensorsHeader, ReadsMetadata) {
    const auto parsed = parse(safetensors_bytes(R"({"__metadata__":{"format":"pt","k":"v"}})"));
    EXPECT_EQ(parsed.metadata().at("format"), "pt");
    EXPECT_EQ(parsed.metadata().at("k"), "v");
    EXPECT_TRUE(parsed.tensors().empty());
}

TEST(SafetensorsHeader, ReadsAMappedFileWithoutItsOwnCopy) {
    const std::string bytes = safetensors_bytes(one_tensor("[1]", "[0,4]"), "1234");
    const std::uint64_t size = safetensors_header_size("f", bytes, bytes.size());
    EXPECT_EQ(size, bytes.size() - 4);
    const auto header =
        parse_safetensors_header("f", std::string_view(bytes).substr(0, size), bytes.size());
    EXPECT_EQ(bytes.substr(header.find("a")->begin), "1234");
}

TEST(SafetensorsHeader, Fault34AcceptsAnEmptyObject) {
    EXPECT_TRUE(parse(safetensors_bytes("{}")).tensors().empty());
}

TEST(SafetensorsHeader, Fault34AcceptsAScalar) {
    const auto header = parse(safetensors_bytes(one_tensor("[]", "[0,4]"), "1234"));
    EXPECT_EQ(header.find("a")->shape.rank(), 0);
}

TEST(SafetensorsHeader, Fault34AcceptsAShapeWithAZero) {
    const auto header = parse(safetensors_bytes(one_tensor("[2,0]", "[0,0]")));
    EXPECT_EQ(to_string(*header.find("a")), "F32 [2, 0]");
    EXPECT_EQ(header.find("a")->bytes(), 0U);
}

TEST(SafetensorsHeader, Fault34AcceptsEmptyTensorsBesideFullOnes) {
    const std::string header = object({entry("full", "[1]", "[0,4]"), entry("none", "[0]", "[0,0]"),
                                       entry("last", "[0]", "[4,4]")});
    EXPECT_EQ(parse(safetensors_bytes(header, "1234")).tensors().size(), 3U);
}

TEST(SafetensorsHeader, Fault34AcceptsTrailingSpaces) {
    EXPECT_EQ(
        parse(safetensors_bytes(one_tensor("[1]", "[0,4]") + "     ", "1234")).tensors().size(),
        1U);
}

TEST(SafetensorsHeader, Fault34RejectsAnEmptyFile) {
    EXPECT_EQ(refusal_of_bytes(""), "f: file is empty");
}

TEST(SafetensorsHeader, Fault34RejectsAFileShorterThanTheLengthField) {
    EXPECT_EQ(refusal_of_bytes("abcde"), "f: file of 5 bytes is too short for a safetensors file");
}

TEST(SafetensorsHeader, Fault34RejectsALengthBeyondTheFile) {
    EXPECT_EQ(refusal_of_bytes(length_field(100) + "{}"),
              "f: header of 100 bytes does not fit the file of 10 bytes");
}

TEST(SafetensorsHeader, Fault34RejectsAHugeLength) {
    EXPECT_EQ(refusal_of_bytes(length_field(std::uint64_t{1} << 63) + "{}"),
              "f: header length 9223372036854775808 is above the limit of 100000000 bytes: not a "
              "safetensors file, or a damaged one");
    EXPECT_EQ(refusal_of_bytes(length_field(~std::uint64_t{0}) + "{}"),
              "f: header length 18446744073709551615 is above the limit of 100000000 bytes: not a "
              "safetensors file, or a damaged one");
}

TEST(SafetensorsHeader, Fault34RejectsAHeaderAbove100MB) {
    const std::string start = length_field(100'000'001) + "{}";
    const auto refused = [&] { safetensors_header_size("f", start, 200'000'000); };
    EXPECT_EQ(message_of<FormatError>(refused),
              "f: header length 100000001 is above the limit of 100000000 bytes: not a safetensors "
              "file, or a damaged one");
    EXPECT_EQ(safetensors_header_size("f", length_field(100'000'000), 200'000'000), 100'000'008U);
}

TEST(SafetensorsHeader, Fault34RejectsAHeaderThatIsNotUtf8) {
    EXPECT_EQ(refusal("{\"\xff\":1}"), "f: header is not UTF-8 (byte 3)");
    EXPECT_EQ(refusal("{\"\xc0\x80\":1}"), "f: header is not UTF-8 (byte 3)");      // overlong
    EXPECT_EQ(refusal("{\"\xed\xa0\x80\":1}"), "f: header is not UTF-8 (byte 3)");  // surrogate
    EXPECT_EQ(refusal("{\"a\xe2\x82"), "f: header is not UTF-8 (byte 4)");          // cut
}

TEST(SafetensorsHeader, Fault34RejectsAHeaderThatIsNotJson) {
    EXPECT_EQ(refusal("garbage"), "f: header is not JSON (error at byte 1)");
    EXPECT_EQ(refusal("{}{}"), "f: header is not JSON (error at byte 3)");
    EXPECT_EQ(refusal("{'a':1}"), "f: header is not JSON (error at byte 2)");
    EXPECT_EQ(refusal(std::string(16, '\0')), "f: header is not JSON (error at byte 1)");
    EXPECT_EQ(refusal(std::string("{}\0\0", 4)), "f: header is not JSON (error at byte 3)");
    EXPECT_EQ(refusal(""), "f: header is not JSON (error at byte 1)");
}

TEST(SafetensorsHeader, Fault34RejectsALoneBrace) {
    EXPECT_EQ(refusal("{"), "f: header is not JSON (error at byte 2)");
}

TEST(SafetensorsHeader, Fault34RejectsAHeaderThatIsNotAnObject) {
    EXPECT_EQ(refusal("[1]"), "f: header is not a JSON object");
    EXPECT_EQ(refusal("7"), "f: header is not a JSON object");
    EXPECT_EQ(refusal("\"text\""), "f: header is not a JSON object");
    EXPECT_EQ(refusal("null"), "f: header is not a JSON object");
}

TEST(SafetensorsHeader, Fault34RejectsAnythingBeforeTheBrace) {
    EXPECT_EQ(refusal(" {}"), "f: header does not begin with '{'");
    EXPECT_EQ(refusal("\xef\xbb\xbf{}"), "f: header does not begin with '{'");
}

TEST(SafetensorsHeader, Fault34RejectsASizeThatDiffersFromTheSpan) {
    EXPECT_EQ(refusal(one_tensor("[2]", "[0,4]"), "1234"),
              "f: tensor 'a': F32 [2] takes 8 bytes, its data_offsets span 4");
    EXPECT_EQ(refusal(one_tensor("[0]", "[0,4]"), "1234"),
              "f: tensor 'a': F32 [0] takes 0 bytes, its data_offsets span 4");
}

TEST(SafetensorsHeader, Fault34RejectsShapesThatOverflow) {
    EXPECT_EQ(refusal(one_tensor("[2,9223372036854775807]", "[0,4]"), "1234"),
              "f: tensor 'a': the size of shape [2, 9223372036854775807] overflows");
    EXPECT_EQ(refusal(one_tensor("[2,18446744073709551614]", "[0,4]"), "1234"),
              "f: tensor 'a': dimension '18446744073709551614' is not a whole number from 0 to "
              "2^63-1");
    EXPECT_EQ(refusal(one_tensor("[0,4294967296,4294967296]", "[0,0]")),
              "f: tensor 'a': the size of shape [0, 4294967296, 4294967296] overflows");
}

TEST(SafetensorsHeader, Fault34RejectsOverlappingTensors) {
    const std::string header = object({entry("a", "[2]", "[0,8]"), entry("b", "[2]", "[4,12]")});
    EXPECT_EQ(refusal(header, std::string(12, 'x')),
              "f: tensors 'a' and 'b' overlap at byte 4 of the data");
}

TEST(SafetensorsHeader, Fault34RejectsHoles) {
    const std::string header = object({entry("a", "[1]", "[0,4]"), entry("b", "[1]", "[8,12]")});
    EXPECT_EQ(refusal(header, std::string(12, 'x')),
              "f: bytes 4 to 8 of the data belong to no tensor (before 'b')");
    EXPECT_EQ(refusal(one_tensor("[1]", "[4,8]"), std::string(8, 'x')),
              "f: bytes 0 to 4 of the data belong to no tensor (before 'a')");
}

TEST(SafetensorsHeader, Fault34RejectsTrailingBytesAndSaysHowMany) {
    EXPECT_EQ(refusal(one_tensor("[1]", "[0,4]"), "1234567"),
              "f: 3 trailing bytes after the last tensor");
    EXPECT_EQ(refusal("{}", "12"), "f: 2 trailing bytes after the last tensor");
}

TEST(SafetensorsHeader, Fault34RejectsATruncatedFile) {
    EXPECT_EQ(refusal(one_tensor("[2]", "[0,8]"), "12345"),
              "f: tensor 'a' ends at byte 8 of the data, the file holds 5: it is 3 bytes short");
    EXPECT_EQ(refusal(one_tensor("[2]", "[18446744073709551607,18446744073709551615]"), "12345"),
              "f: tensor 'a' ends at byte 18446744073709551615 of the data, the file holds 5: it "
              "is 18446744073709551610 bytes short");
}

TEST(SafetensorsHeader, Fault34RejectsManyTensorsOverOneSpanQuickly) {
    std::vector<std::string> entries;
    for (int i = 0; i < 200'000; ++i) entries.push_back(entry(std::to_string(i), "[1]", "[0,4]"));
    const std::string header = object(entries);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(refusal(header, "1234"), "f: tensors '0' and '1' overlap at byte 0 of the data");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(SafetensorsHeader, Fault34RejectsATensorCalledMetadata) {
    EXPECT_EQ(refusal(object({entry("__metadata__", "[1]", "[0,4]")}), "1234"),
              "f: '__metadata__' must be an object of strings; no tensor can have that name");
    EXPECT_EQ(refusal(R"({"__metadata__":{"epoch":3}})"),
              "f: '__metadata__' must be an object of strings; no tensor can have that name");
    EXPECT_EQ(refusal(R"({"__metadata__":["a"]})"),
              "f: '__metadata__' must be an object of strings; no tensor can have that name");
}

TEST(SafetensorsHeader, Fault34RejectsEntriesThatDescribeNoTensor) {
    EXPECT_EQ(refusal(R"({"a":1})"), "f: tensor 'a' is not described by an object");
    EXPECT_EQ(refusal(R"({"a":[1,2]})"), "f: tensor 'a' is not described by an object");
    EXPECT_EQ(refusal(R"({"a":{"shape":[],"data_offsets":[0,4]}})", "1234"),
              "f: tensor 'a' has no dtype");
    EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "1234"),
              "f: tensor 'a' has no shape");
    EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[]}})", "1234"),
              "f: tensor 'a' has no data_offsets");
    EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", "1234"),
              "f: tensor 'a': shape is not an array");
}

TEST(SafetensorsHeader, Fault34RejectsOffsetsThatAreNoSpan) {
    for (const std::string offsets : {"[4,0]", "[0]", "[0,4,4]", "[-4,0]", "[0,4.0]", "7"}) {
        EXPECT_EQ(refusal(one_tensor("[1]", offsets), "1234"),
                  "f: tensor 'a': data_offsets '" + offsets + "' are not two increasing positions");
    }
}

TEST(SafetensorsHeader, Fault34RejectsDeepNesting) {
    EXPECT_EQ(refusal("{\"a\":" + std::string(100'000, '[')),
              "f: header is nested more than 64 deep");
}

TEST(SafetensorsHeader, Fault35RejectsARepeatedTensor) {
    EXPECT_EQ(refusal(object({entry("a", "[1]", "[0,4]"), entry("a", "[1]", "[0,4]")}), "1234"),
              "f: header repeats the key 'a'");
}

TEST(SafetensorsHeader, Fault35RejectsARepeatedKeyAtAnyDepth) {
    EXPECT_EQ(
        refusal(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"),
        "f: header repeats the key 'dtype'");
    EXPECT_EQ(refusal(R"({"__metadata__":{"k":"1","k":"2"}})"), "f: header repeats the key 'k'");
    EXPECT_EQ(refusal(R"({"__metadata__":{},"__metadata__":{}})"),
              "f: header repeats the key '__metadata__'");
    EXPECT_EQ(refusal(R"({"a":{"x":[{"y":1,"\u0079":2}]}})"), "f: header repeats the key 'y'");
}

TEST(SafetensorsHeader, Fault36RejectsAnUnknownDtype) {
    EXPECT_EQ(refusal(one_tensor("[1]", "[0,4]", "F33"), "1234"),
              "f: tensor 'a': unknown dtype 'F33'");
    EXPECT_EQ(refusal(one_tensor("[1]", "[0,4]", "f32"), "1234"),
              "f: tensor 'a': unknown dtype 'f32'");
    EXPECT_EQ(refusal(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", "1234"),
              "f: tensor 'a': dtype is not a string");
}

TEST(SafetensorsHeader, Fault36RejectsDimensionsThatAreNoSizes) {
    for (const std::string dimension : {"-1", "1.5", "1.0", "true", "null", "[1]"}) {
        EXPECT_EQ(
            refusal(one_tensor("[" + dimension + "]", "[0,4]"), "1234"),
            "f: tensor 'a': dimension '" + dimension + "' is not a whole number from 0 to 2^63-1");
    }
}

TEST(SafetensorsHeader, Fault36RejectsNineDimensions) {
    EXPECT_EQ(refusal(one_tensor("[1,1,1,1,1,1,1,1,1]", "[0,4]"), "1234"),
              "f: tensor 'a': 9 dimensions, at most 8 are supported");
    EXPECT_EQ(parse(safetensors_bytes(one_tensor("[1,1,1,1,1,1,1,1]", "[0,4]"), "1234"))
                  .find("a")
                  ->shape.rank(),
              8);
}

TEST(SafetensorsHeader, KeepsItsMessagesOnOneLine) {
    EXPECT_EQ(refusal(object({entry("x\\ny", "[2]", "[0,4]")}), "1234"),
              "f: tensor 'x\\x0ay': F32 [2] takes 8 bytes, its data_offsets span 4");
    const std::string long_name(1000, 'n');
    EXPECT_EQ(refusal(object({entry(long_name, "[2]", "[0,4]")}), "1234"),
              "f: tensor '" + std::string(200, 'n') +
                  "...': F32 [2] takes 8 bytes, its data_offsets span 4");
}

}  // namespace
}  // namespace balmer::weights
