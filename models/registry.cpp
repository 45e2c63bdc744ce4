#include "kernels/error.h"
#include "models/mlp.h"
#include "models/model.h"
#include "models/resnet.h"

namespace basin {

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names{
      "resnet_tiny", "resnet_tiny_gn", "resnet18", "resnet18_gn", "mlp", "linear"};
  return names;
}

Model make_model(const ModelOptions& o) {
  BASIN_CHECK(o.width >= 1, "--width", "found {}, expected at least 1", o.width);
  BASIN_CHECK(o.classes >= 2, "classes", "found {}, expected at least 2", o.classes);
  if (o.name == "resnet_tiny") return make_preact_resnet(o, {1, 1, 1, 1}, ResNetNorm::Batch);
  if (o.name == "resnet_tiny_gn") return make_preact_resnet(o, {1, 1, 1, 1}, ResNetNorm::Group);
  if (o.name == "resnet18") return make_preact_resnet(o, {2, 2, 2, 2}, ResNetNorm::Batch);
  if (o.name == "resnet18_gn") return make_preact_resnet(o, {2, 2, 2, 2}, ResNetNorm::Group);
  if (o.name == "mlp") return make_mlp(o);
  if (o.name == "linear") return make_linear(o);
  std::string known;
  for (const std::string& name : model_names()) known += (known.empty() ? "" : ", ") + name;
  fail("--model", "found '{}', expected one of {}", o.name, known);
}

}  // namespace basin
