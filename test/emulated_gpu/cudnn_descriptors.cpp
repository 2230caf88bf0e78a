#include "cudnn_descriptors.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace emulated_cudnn {

void refuse(const std::string& message) {
  throw Refusal(CUDNN_STATUS_BAD_PARAM, message);
}

namespace {

/// Which attribute belongs to which descriptor, and what it holds. For descriptors: of which type;
/// those of the graph's operations differ.
struct Rule {
  cudnnBackendDescriptorType_t owner;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  int64_t count;  // 0: any
  int referred = -1;
};

constexpr auto kReference = CUDNN_TYPE_BACKEND_DESCRIPTOR;
constexpr Rule kRules[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1},
    {CUDNN_BACKEND_MATMUL_DESCRIPTOR, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_ADESC, kReference, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_BDESC, kReference, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_CDESC, kReference, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_DESC, kReference, 1,
     CUDNN_BACKEND_MATMUL_DESCRIPTOR},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
     kReference, 1, CUDNN_BACKEND_POINTWISE_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_REDUCTION_DESCRIPTOR, CUDNN_ATTR_REDUCTION_OPERATOR,
     CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1},
    {CUDNN_BACKEND_REDUCTION_DESCRIPTOR, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_ATTR_OPERATION_REDUCTION_DESC, kReference,
     1, CUDNN_BACKEND_REDUCTION_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, kReference,
     1, CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, kReference, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, kReference, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS, kReference, 0},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
     1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, kReference, 1,
     CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
     1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, kReference,
     1, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
     0},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
     CUDNN_TYPE_VOID_PTR, 0},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
     1},
};

size_t value_bytes(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_INT64:
      return sizeof(int64_t);
    case CUDNN_TYPE_BOOLEAN:
      return sizeof(bool);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
      return sizeof(void*);
    default:
      return sizeof(cudnnDataType_t);  // every enumeration
  }
}

const Rule& find_rule(const Descriptor& descriptor, cudnnBackendAttributeName_t name) {
  for (const Rule& rule : kRules)
    if (rule.owner == descriptor.type && rule.name == name) return rule;
  refuse("attribute " + std::to_string(name) + " of descriptor type " +
         std::to_string(descriptor.type) + " is not emulated");
}

template <class T>
T value_or(const Descriptor& descriptor, cudnnBackendAttributeName_t name, T otherwise) {
  return descriptor.find(name) == nullptr ? otherwise : descriptor.values<T>(name).front();
}

Dims four(const std::vector<int64_t>& values) {
  return {values[0], values[1], values[2], values[3]};
}

void require(bool condition, const char* message) {
  if (!condition) refuse(message);
}

void require_float(const Descriptor& descriptor, cudnnBackendAttributeName_t name) {
  require(descriptor.values<cudnnDataType_t>(name).front() == CUDNN_DATA_FLOAT,
          "only fp32 arithmetic is emulated");
}

void finalize_tensor(Descriptor& d) {
  d.tensor = {.uid = d.values<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID).front(),
              .type = d.values<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE).front(),
              .dims = four(d.values<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
              .strides = four(d.values<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
              .alignment = d.values<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT).front(),
              .is_virtual = value_or(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, false),
              .is_by_value = value_or(d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, false)};
  const Tensor& t = d.tensor;
  require(std::ranges::all_of(t.dims, [](int64_t size) { return size >= 1; }),
          "a dimension is below 1");
  require(std::ranges::all_of(t.strides, [](int64_t stride) { return stride >= 1; }),
          "a stride is below 1");
  require(!(t.is_virtual && t.is_by_value), "a tensor is virtual and given by value");
  require(!t.is_by_value || (t.dims == Dims{1, 1, 1, 1} && t.type == CUDNN_DATA_FLOAT),
          "only fp32 scalars are given by value");
  require(t.is_virtual || t.type == CUDNN_DATA_FLOAT || t.type == CUDNN_DATA_BFLOAT16,
          "a tensor in memory is neither bf16 nor fp32");
}

void finalize_matmul(Descriptor& d) {
  const Tensor& a = d.reference(CUDNN_ATTR_OPERATION_MATMUL_ADESC).tensor;
  const Tensor& b = d.reference(CUDNN_ATTR_OPERATION_MATMUL_BDESC).tensor;
  const Tensor& c = d.reference(CUDNN_ATTR_OPERATION_MATMUL_CDESC).tensor;
  static_cast<void>(d.at(CUDNN_ATTR_OPERATION_MATMUL_DESC));
  require(a.dims[3] == b.dims[2] && c.dims[2] == a.dims[2] && c.dims[3] == b.dims[3],
          "the matrices of a product do not fit");
  require(c.dims[0] == a.dims[0] && c.dims[1] == a.dims[1] && b.dims[0] == a.dims[0] &&
              a.dims[1] % b.dims[1] == 0,
          "the batches of a product do not fit");
  d.operation = {.kind = Operation::Kind::matmul, .inputs = {a, b}, .y = c};
}

bool broadcasts(const Tensor& from, const Tensor& to) {
  for (size_t i = 0; i < 4; ++i)
    if (from.dims[i] != to.dims[i] && from.dims[i] != 1) return false;
  return true;
}

void finalize_pointwise(Descriptor& d) {
  const Descriptor& mode = d.reference(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  Operation& op = d.operation;
  op.kind = Operation::Kind::pointwise;
  op.mode = mode.values<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE).front();
  static_cast<void>(mode.at(CUDNN_ATTR_POINTWISE_MATH_PREC));
  op.axis = value_or(mode, CUDNN_ATTR_POINTWISE_AXIS, int64_t{-1});
  for (const auto name :
       {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
        CUDNN_ATTR_OPERATION_POINTWISE_TDESC})
    if (d.find(name) != nullptr) op.inputs.push_back(d.reference(name).tensor);
  op.y = d.reference(CUDNN_ATTR_OPERATION_POINTWISE_YDESC).tensor;
  for (const Tensor& input : op.inputs)
    require(broadcasts(input, op.y),
            "an operand's dimensions are neither those of the result nor 1");
  size_t operands = 2;
  switch (op.mode) {
    case CUDNN_POINTWISE_ADD:
    case CUDNN_POINTWISE_SUB:
    case CUDNN_POINTWISE_MUL:
    case CUDNN_POINTWISE_DIV:
      break;
    case CUDNN_POINTWISE_CMP_GE:
      require(op.y.type == CUDNN_DATA_BOOLEAN, "a comparison's result is not boolean");
      break;
    case CUDNN_POINTWISE_BINARY_SELECT:
      operands = 3;
      require(op.inputs.size() == 3 && op.inputs[2].type == CUDNN_DATA_BOOLEAN,
              "a selection without a boolean condition");
      break;
    case CUDNN_POINTWISE_GEN_INDEX:
      operands = 1;
      require(op.axis >= 0 && op.axis < 4 && op.y.type == CUDNN_DATA_INT32,
              "an index without an axis or not int32");
      break;
    case CUDNN_POINTWISE_EXP:
    case CUDNN_POINTWISE_LOG:
    case CUDNN_POINTWISE_IDENTITY:
      operands = 1;
      break;
    default:
      refuse("this pointwise mode is not emulated");
  }
  require(op.inputs.size() == operands, "a pointwise operation has too many or too few operands");
}

void finalize_reduction(Descriptor& d) {
  const Descriptor& reduction = d.reference(CUDNN_ATTR_OPERATION_REDUCTION_DESC);
  Operation& op = d.operation;
  op.kind = Operation::Kind::reduction;
  op.reduction = reduction.values<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR).front();
  require(op.reduction == CUDNN_REDUCE_TENSOR_ADD || op.reduction == CUDNN_REDUCE_TENSOR_MAX,
          "this reduction is not emulated");
  op.inputs = {d.reference(CUDNN_ATTR_OPERATION_REDUCTION_XDESC).tensor};
  op.y = d.reference(CUDNN_ATTR_OPERATION_REDUCTION_YDESC).tensor;
  for (size_t i = 0; i < 4; ++i)
    require(op.inputs[0].dims[i] % op.y.dims[i] == 0, "a reduction's dimensions do not divide");
}

/// The same elements in memory under other dimensions.
void finalize_reshape(Descriptor& d) {
  Operation& op = d.operation;
  op.kind = Operation::Kind::reshape;
  op.inputs = {d.reference(CUDNN_ATTR_OPERATION_RESHAPE_XDESC).tensor};
  op.y = d.reference(CUDNN_ATTR_OPERATION_RESHAPE_YDESC).tensor;
  const auto places = [](const Tensor& t) {
    std::multiset<std::pair<int64_t, int64_t>> result;
    for (size_t i = 0; i < 4; ++i)
      if (t.dims[i] > 1) result.insert({t.strides[i], t.dims[i]});
    return result;
  };
  require(places(op.inputs[0]) == places(op.y), "a reshape that is no transposition");
  require(op.y.is_virtual, "a reshape into memory");
}

void finalize_graph(Descriptor& d) {
  std::map<int64_t, Tensor> tensors;
  std::set<int64_t> written;
  const auto meet = [&](const Tensor& t) {
    const auto [at, is_new] = tensors.emplace(t.uid, t);
    require(is_new || at->second == t, "two tensors share a unique id");
  };
  for (const Reference& reference : d.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).references) {
    const Operation& op = reference->operation;
    require(!op.inputs.empty(), "a graph holds something that is no operation");
    for (const Tensor& input : op.inputs) {
      meet(input);
      require(!input.is_virtual || written.count(input.uid) > 0,
              "a virtual tensor is read before it is written");
    }
    meet(op.y);
    require(written.insert(op.y.uid).second && !op.y.is_by_value, "a tensor is written twice");
    d.operations.push_back(op);
  }
  d.has_handle = d.find(CUDNN_ATTR_OPERATIONGRAPH_HANDLE) != nullptr;
}

void finalize_pack(const Descriptor& d) {
  const std::vector<int64_t> uids = d.values<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  require(d.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).count == static_cast<int64_t>(uids.size()),
          "a variant pack has more unique ids than pointers, or fewer");
  require(std::set<int64_t>(uids.begin(), uids.end()).size() == uids.size(),
          "a variant pack names a tensor twice");
}

}  // namespace

const Attribute* Descriptor::find(cudnnBackendAttributeName_t name) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? nullptr : &found->second;
}

const Attribute& Descriptor::at(cudnnBackendAttributeName_t name) const {
  const Attribute* found = find(name);
  if (found == nullptr) refuse("attribute " + std::to_string(name) + " was not set");
  return *found;
}

void set_attribute(Descriptor& descriptor, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  require(!descriptor.finalized, "an attribute is set after the descriptor was finalized");
  const Rule& rule = find_rule(descriptor, name);
  require(rule.type == type, "an attribute is of another type");
  require(count >= 1 && (rule.count == 0 || rule.count == count),
          "an attribute has too many or too few values");
  Attribute attribute;
  attribute.count = count;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const auto* handles = static_cast<Handle* const*>(values);
    for (int64_t i = 0; i < count; ++i) {
      const Reference reference = handles[i]->descriptor;
      require(reference->finalized, "a descriptor that was not finalized is referred to");
      require(rule.referred < 0 || reference->type == rule.referred,
              "a descriptor of the wrong type is referred to");
      attribute.references.push_back(reference);
    }
  } else {
    attribute.bytes.resize(static_cast<size_t>(count) * value_bytes(type));
    std::memcpy(attribute.bytes.data(), values, attribute.bytes.size());
  }
  descriptor.attributes[name] = std::move(attribute);
}

void finalize(Descriptor& d) {
  require(!d.finalized, "a descriptor is finalized twice");
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      finalize_tensor(d);
      break;
    case CUDNN_BACKEND_MATMUL_DESCRIPTOR:
      require_float(d, CUDNN_ATTR_MATMUL_COMP_TYPE);
      break;
    case CUDNN_BACKEND_REDUCTION_DESCRIPTOR:
      require_float(d, CUDNN_ATTR_REDUCTION_COMP_TYPE);
      break;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      break;
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
      finalize_matmul(d);
      break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      finalize_pointwise(d);
      break;
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
      finalize_reduction(d);
      break;
    case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
      finalize_reshape(d);
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      finalize_graph(d);
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      require(d.reference(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).has_handle,
              "heuristics without a device");
      require(
          d.values<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE).front() == CUDNN_HEUR_MODE_A,
          "only heuristics mode A is emulated");
      break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      static_cast<void>(d.at(CUDNN_ATTR_EXECUTION_PLAN_HANDLE));
      const Descriptor& config = d.reference(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      if (!config.compiles)
        throw Refusal(CUDNN_STATUS_NOT_SUPPORTED, "this engine cannot be compiled");
      d.operations = config.operations;
      break;
    }
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      finalize_pack(d);
      break;
    default:
      refuse("this descriptor cannot be finalized");
  }
  d.finalized = true;
}

}  // namespace emulated_cudnn
