#include "tests/fuzz/message_mutator.h"

#include <google/protobuf/descriptor.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/fuzz/byte_mutator.h"

namespace espalier::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMostEntries = 64;

class Mutator {
 public:
  Mutator(std::span<const std::string> words, Random& random) : words_(words), random_(random) {}

  void change_one(Message& message) {
    std::vector<Message*> all;
    collect(message, all);
    Message& chosen = *any_of(all, random_);
    const int fields = chosen.GetDescriptor()->field_count();
    if (fields == 0) return;
    const FieldDescriptor* field =
        chosen.GetDescriptor()->field(static_cast<int>(random_.below(fields)));
    field->is_repeated() ? change_repeated(chosen, field) : change_single(chosen, field);
  }

 private:
  static void collect(Message& message, std::vector<Message*>& all) {
    all.push_back(&message);
    std::vector<const FieldDescriptor*> fields;
    const Reflection* reflection = message.GetReflection();
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        collect(*reflection->MutableMessage(&message, field), all);
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(message, field); ++i)
        collect(*reflection->MutableRepeatedMessage(&message, field, i), all);
    }
  }

  void change_single(Message& message, const FieldDescriptor* field) {
    if (random_.below(8) == 0) return message.GetReflection()->ClearField(&message, field);
    set(message, field, -1);
  }

  void change_repeated(Message& message, const FieldDescriptor* field) {
    const Reflection* reflection = message.GetReflection();
    const int size = reflection->FieldSize(message, field);
    const auto any = [&] { return static_cast<int>(random_.below(size)); };
    const uint64_t what = random_.below(6);
    if ((size == 0 || what == 0) && size < kMostEntries) return add(message, field);
    if (size == 0) return;
    if (what == 1) return reflection->RemoveLast(&message, field);
    if (what == 2) return reflection->SwapElements(&message, field, any(), any());
    if (what == 3 && size < kMostEntries) return repeat(message, field, any());
    set(message, field, any());
  }

  void add(Message& message, const FieldDescriptor* field) {
    const Reflection* reflection = message.GetReflection();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      change_one(*reflection->AddMessage(&message, field));
    } else {
      write(message, field, -2);
    }
  }

  void repeat(Message& message, const FieldDescriptor* field, int index) {
    const Reflection* reflection = message.GetReflection();
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return write(message, field, -2);
    const auto& entry = reflection->GetRepeatedMessage(message, field, index);
    std::unique_ptr<Message> copy(entry.New());
    copy->CopyFrom(entry);
    reflection->AddMessage(&message, field)->CopyFrom(*copy);
  }

  // Entry `index` of a repeated field; -1: the one value of a field that is none.
  void set(Message& message, const FieldDescriptor* field, int index) {
    const Reflection* reflection = message.GetReflection();
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return write(message, field, index);
    change_one(index < 0 ? *reflection->MutableMessage(&message, field)
                         : *reflection->MutableRepeatedMessage(&message, field, index));
  }

  // As set(), or -2: a new entry.
  void write(Message& message, const FieldDescriptor* field, int index) {
    const Reflection* r = message.GetReflection();
    const auto put = [&](auto single, auto repeated, auto more, auto value) {
      if (index == -1) return (r->*single)(&message, field, value);
      if (index == -2) return (r->*more)(&message, field, value);
      (r->*repeated)(&message, field, index, value);
    };
    using R = Reflection;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return put(&R::SetBool, &R::SetRepeatedBool, &R::AddBool, random_.below(2) == 0);
      case FieldDescriptor::CPPTYPE_INT32:
        return put(&R::SetInt32, &R::SetRepeatedInt32, &R::AddInt32,
                   static_cast<int32_t>(number()));
      case FieldDescriptor::CPPTYPE_INT64:
        return put(&R::SetInt64, &R::SetRepeatedInt64, &R::AddInt64, number());
      case FieldDescriptor::CPPTYPE_UINT32:
        return put(&R::SetUInt32, &R::SetRepeatedUInt32, &R::AddUInt32,
                   static_cast<uint32_t>(number()));
      case FieldDescriptor::CPPTYPE_UINT64:
        return put(&R::SetUInt64, &R::SetRepeatedUInt64, &R::AddUInt64,
                   static_cast<uint64_t>(number()));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return put(&R::SetFloat, &R::SetRepeatedFloat, &R::AddFloat, static_cast<float>(real()));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return put(&R::SetDouble, &R::SetRepeatedDouble, &R::AddDouble, real());
      case FieldDescriptor::CPPTYPE_ENUM:
        return put(&R::SetEnumValue, &R::SetRepeatedEnumValue, &R::AddEnumValue,
                   static_cast<int>(random_.below(16)));
      case FieldDescriptor::CPPTYPE_STRING:
        return put(&R::SetString, &R::SetRepeatedString, &R::AddString,
                   text(message, field, index));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
  }

  int64_t number() {
    return random_.below(2) == 0 ? static_cast<int64_t>(random_.below(20)) : edge_number(random_);
  }

  double real() {
    switch (random_.below(4)) {
      case 0:
        return random_.uniform();
      case 1:
        return std::bit_cast<double>(random_.next());
      case 2:
        return random_.below(2) == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
      default:
        return static_cast<double>(number());
    }
  }

  std::string text(const Message& message, const FieldDescriptor* field, int index) {
    const bool is_bytes = field->type() == FieldDescriptor::TYPE_BYTES;
    if (!is_bytes) {
      std::string word = words_.empty() ? "" : any_of(words_, random_);
      if (random_.below(8) == 0) word += word;
      return word;
    }
    const Reflection* reflection = message.GetReflection();
    std::string scratch;
    if (index == -2) return any_bytes(scratch);
    return any_bytes(index < 0
                         ? reflection->GetStringReference(message, field, &scratch)
                         : reflection->GetRepeatedStringReference(message, field, index, &scratch));
  }

  std::string any_bytes(const std::string& before) {
    return mutate_bytes(before, {}, words_, before.size() + 64, random_);
  }

  const std::span<const std::string> words_;
  Random& random_;
};

}  // namespace

void mutate_message(Message& message, std::span<const std::string> words, Random& random) {
  Mutator mutator(words, random);
  for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) mutator.change_one(message);
}

}  // namespace espalier::fuzz
