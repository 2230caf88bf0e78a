// A control plane that hands everything on to another one: what a test changes it overrides.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launch/control_plane.h"

namespace swallow::test {

class ForwardingControl : public ControlPlane {
 public:
  explicit ForwardingControl(std::unique_ptr<ControlPlane> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] int rank() const noexcept override { return inner_->rank(); }
  [[nodiscard]] int size() const noexcept override { return inner_->size(); }
  std::vector<std::string> exchange(std::string_view blob) override {
    return inner_->exchange(blob);
  }
  void abort(std::string_view reason) noexcept override { inner_->abort(reason); }
  void check() override { inner_->check(); }
  [[nodiscard]] int wake_fd() const noexcept override { return inner_->wake_fd(); }

 private:
  std::unique_ptr<ControlPlane> inner_;
};

}  // namespace swallow::test
