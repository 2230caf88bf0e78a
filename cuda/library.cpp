#include "library.h"

#include <dlfcn.h>

#include "base/check.h"

namespace swallow::cuda {

namespace {

/// The word of dlerror, which is cleared by asking.
std::string loader_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown loader error" : text;
}

/// All three libraries count 10000 major + 100 minor + patch.
std::string version_text(size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

template <class Library, class Version>
LibraryVersion describe(const char* name, Version version_of) {
  const SharedLibrary probe(Library::kFile);
  if (!probe.problem().empty()) return {name, "", probe.problem()};
  return {name, version_text(version_of(Library())), ""};
}

}  // namespace

// RTLD_NODELETE: these libraries register handlers that must outlive the last handle to them.
SharedLibrary::SharedLibrary(const char* file)
    : file_(file), handle_(dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
  if (handle_ == nullptr) problem_ = loader_error();
}

void SharedLibrary::Close::operator()(void* handle) const noexcept {
  dlclose(handle);
}

void* SharedLibrary::symbol(const char* name) const {
  if (handle_ == nullptr)
    throw DeviceError(
        "{} is needed on a GPU and cannot be opened ({}): install it or name its folder in "
        "LD_LIBRARY_PATH",
        file_, problem_);
  void* address = dlsym(handle_.get(), name);
  if (address == nullptr)
    throw DeviceError("{} lacks {} ({}): install a newer release of it", file_, name,
                      loader_error());
  return address;
}

std::vector<LibraryVersion> library_versions() {
  return {
      describe<CublasLt>("cuBLASLt", [](const CublasLt& lt) { return lt.get_version(); }),
      describe<Cudnn>("cuDNN", [](const Cudnn& dnn) { return dnn.get_version(); }),
      describe<Nccl>("NCCL",
                     [](const Nccl& nccl) {
                       int version = 0;
                       nccl.get_version(&version);  // cannot fail for a valid pointer
                       return static_cast<size_t>(version);
                     }),
  };
}

}  // namespace swallow::cuda
