// Classifies the spectra of a FITS file with a model that vit-train made:
//
//   embed RUN spec-0266-51602-0013.fits

#include <balmer/data/readers/reader.h>
#include <balmer/train/predictor.h>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: embed MODEL_DIRECTORY SPECTRUM.fits\n");
        return 2;
    }
    try {
        const balmer::train::Predictor predictor(argv[1]);
        for (const auto& spectrum : balmer::data::read_spectra(argv[2]).spectra) {
            const auto answer = predictor.predict(spectrum);
            for (std::size_t h = 0; h < predictor.heads().size(); ++h) {
                const auto& head = predictor.heads()[h];
                const auto& output = answer.outputs[h];
                if (head.is_classification()) {
                    const auto best = balmer::train::most_probable(output);
                    std::printf("%s %s (p = %.3f)\n", head.target.c_str(),
                                head.labels[best].c_str(), output[best]);
                } else {
                    std::printf("%s %.5f\n", head.target.c_str(), output[0]);
                }
            }
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "embed: %s\n", error.what());
        return 1;
    }
}
